# What bash does without other processes: expansion, arrays, arithmetic, patterns, functions, here-documents, files.
set -u
printf '%s arguments: %s\n' $# "$*"
declare -A ages=([ann]=31 [bob]=25 [cy]=47)
for name in "${!ages[@]}"; do total=$((${total:-0} + ages[$name])); done
printf 'total %d of %d\n' "$total" "${#ages[@]}"
list=(one two three four)
printf '<%s> ' "${list[@]:1:2}" "${list[-1]}" "${#list[@]}" "${list[*]/o/0}"; echo
path=/usr/share/doc/readme.tar.gz
echo "${path##*/} ${path%.*} ${path%%.*} ${path/share/lib} ${path^^} ${path:5:5} ${missing:-default} ${missing+set}"
for ((i = 0, j = 10; i < j; i += 3, j--)); do printf '%d-%d ' "$i" "$j"; done; echo
echo $((0x1f + 010 + 2#101)) $((7 / 2)) $((-7 % 3)) $((2 ** 62)) $((1 << 63)) $((5 > 3 ? 1 : 0)) $((~5 & 0xff))
case "$1" in o*e) echo matched;; *) echo other;; esac
[[ abc123 =~ ([a-z]+)([0-9]+) ]] && echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
fact() { local n=$1; if ((n < 2)); then result=1; else fact $((n - 1)); result=$((result * n)); fi; }
fact 20; echo "$result"
while read -r a b; do echo "$b:$a"; done <<END
1 first $total
2 second
END
mapfile -t lines <<<$'x\ny\nz'; echo "${#lines[@]} ${lines[2]}"
echo content >file.txt; read -r text <file.txt; echo "$text"; echo more >>file.txt
exec 5<file.txt; read -r -u 5 l1; read -r -u 5 l2; exec 5<&-; echo "$l1 $l2"
echo {a..e} {1..10..3} pre{x,y}post *.txt
printf '%q %05.2f %x %c %b\n' "a b" 3.14159 255 hello 'tab\there'
trap 'echo leaving' EXIT
shopt -s extglob; [[ foobar == @(foo|bar)* ]] && echo extglob
readonly fixed=1; (( fixed == 1 )) && echo "${SHELLOPTS:0:5} ${BASH_VERSINFO[0]} ${HOME}"
exit 9
