# Processes of a shell: pipelines, subshells, substitution, here-documents, traps, background jobs, redirections.
set -u
section() { echo "== $1"; }

section pipelines
seq 1 20 | sort -rn | head -n 3
printf '%s\n' pear apple fig apple | sort | uniq -c | sed 's/^ *//'
seq 1000 | tr -d '\n' | wc -c
true | false | true
echo "status ${PIPESTATUS[*]}"
set -o pipefail
false | true
echo "pipefail $?"
set +o pipefail
yes | head -n 2
echo "yes ended by ${PIPESTATUS[0]}"

section subshells
x=outer
(x=inner; cd /; echo "in $x $PWD")
echo "out $x"
{ echo grouped; echo twice; } | cat
(exit 7); echo "status $?"
f() { local n=$1; [ "$n" -le 0 ] || { (f $((n - 1))); echo "depth $n"; }; }
f 4

section substitution
echo "nested $(echo a $(echo b $(echo c)))"
echo "lines $(printf 'one\ntwo\n' | wc -l)"
diff <(seq 1 5) <(seq 1 6)
echo "diff $?"
read -r first rest < <(echo alpha beta gamma)
echo "$first / $rest"
mapfile -t many < <(seq 5)
echo "${#many[@]} ${many[4]}"

section here-documents
cat <<END
value $((6 * 7)) and $(echo substituted)
END
cat <<'END' | tr a-z A-Z
no $expansion here
END
cat <<< "here string"

section redirections
echo one > file; echo two >> file; cat < file
{ echo out; echo err >&2; } 2> errors | cat
cat errors
exec 5<> file; read -r line <&5; echo "fd5 $line"; exec 5>&-
ls /no/such/place 2> /dev/null || echo "ls failed $?"

section background
sleep 0.05 & first=$!
(exit 3) & second=$!
wait "$second"; echo "second $?"
wait "$first"; echo "first $?"
for i in 1 2 3; do (exit "$i") & pids[i]=$!; done
for i in 1 2 3; do wait "${pids[i]}"; echo "job $i: $?"; done
(kill -TERM "$BASHPID") & wait $!; echo "terminated $?"
(kill -SEGV "$BASHPID") 2> /dev/null & wait $! 2> /dev/null; echo "segv $?"
wait; echo "all $?"

section traps
trap 'echo "got USR1"' USR1
kill -USR1 $$
(trap 'echo "sub got TERM"; exit 9' TERM; kill -TERM "$BASHPID"; echo never); echo "status $?"
sleep 30 & sleeper=$!
trap 'got=1' USR1
# Again and again: a signal that comes before the wait does not end it.
(while sleep 0.05; do kill -USR1 $$ || exit; done) 2> /dev/null & again=$!
wait "$sleeper"; echo "wait interrupted $(($? > 128)) got $got"
kill "$again"; wait "$again" 2> /dev/null; trap 'echo "got USR1"' USR1
kill "$sleeper"; wait "$sleeper" 2> /dev/null; echo "sleeper $?"
wait
trap 'echo "child ended"' CHLD
(exit 0) & wait $!
trap - CHLD
bash -c 'trap "echo bye" EXIT; echo hello'

section jobs
set -m
sleep 30 &
kill -STOP %sleep; until [[ $(jobs -s) == *sleep* ]]; do :; done; echo "stopped: $(jobs -p | wc -l)"
kill -CONT %sleep; until [[ $(jobs -r) == *sleep* ]]; do :; done; echo "running"
kill %sleep; wait %sleep 2> /dev/null; echo "job $?"
bash -c 'ps_group() { read -r _ _ _ _ group _ < /proc/$1/stat; echo $group; }; set -m; sleep 30 & [ "$(ps_group $!)" = $! ] && echo "own group"; kill %1' 2> /dev/null
set +m

section exec
(exec -a renamed bash -c 'echo "I am $0"')
env -i A=1 B=2 bash -c 'echo "$A$B ${C-unset}"'
printf '#!/bin/bash\necho "script $0 $*" | sed "s,$PWD,.,"\n' > script; chmod +x script
./script a "b c"
nosuchcommand 2> /dev/null; echo "not found $?"
: > plain; ./plain 2> /dev/null; echo "not executable $?"
printf 'a b\nc d\n' | xargs -n 1 echo item
find . -name 'f*' -exec echo found {} \;
timeout 0.1 sleep 10; echo "timeout $?"
coproc tr a-z A-Z; echo shout >&"${COPROC[1]}"; exec {COPROC[1]}>&-; cat <&"${COPROC[0]}"; wait

section end
