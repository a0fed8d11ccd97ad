# Processes of a POSIX shell: pipelines, subshells, substitution, here-documents, redirections, background jobs, traps.
section() { echo "== $1"; }

section pipelines
seq 1 20 | sort -rn | head -n 3
printf '%s\n' pear apple fig apple | sort | uniq -c | sed 's/^ *//'
seq 1000 | tr -d '\n' | wc -c
! true | false; echo "status $?"

section subshells
x=outer; (x=inner; cd /; echo "in $x $PWD"); echo "out $x"
{ echo grouped; echo twice; } | cat
(exit 7); echo "status $?"
f() { [ "$1" -le 0 ] || { (f $(($1 - 1))); echo "depth $1"; }; }
f 4

section substitution
echo "nested $(echo a $(echo b $(echo c)))"
echo "back `echo ticks`"
cat <<END | tr a-z A-Z
value $((6 * 7)) and $(echo substituted)
END

section redirections
echo one > file; echo two >> file; cat < file
{ echo out; echo err >&2; } 2> errors | cat; cat errors
exec 5< file; read -r line <&5; echo "fd5 $line"; exec 5<&-
ls /no/such/place 2> /dev/null || echo "ls failed $?"

section background
sleep 0.05 & first=$!
(exit 3) & second=$!
wait "$second"; echo "second $?"
wait "$first"; echo "first $?"
sh -c 'kill -TERM $$' & wait $!; echo "terminated $?"
wait; echo "all $?"

section traps
trap 'echo "got USR1"' USR1
kill -USR1 $$
sleep 30 & sleeper=$!
trap 'got=1' USR1
# Again and again: a signal that comes before the wait does not end it.
(while sleep 0.05; do kill -USR1 $$ || exit; done) 2> /dev/null & again=$!
wait "$sleeper"; echo "wait interrupted $(($? > 128)) got $got"
kill "$again"; wait "$again" 2> /dev/null; trap 'echo "got USR1"' USR1
kill "$sleeper"; wait "$sleeper"; echo "sleeper $?"
wait
sh -c 'trap "echo bye" EXIT; echo hello'

section exec
env -i A=1 B=2 sh -c 'echo "$A$B ${C-unset}"'
printf '#!/bin/sh\necho "script $*"\n' > script; chmod +x script
./script a "b c"
nosuchcommand 2> /dev/null; echo "not found $?"
printf 'a b\nc d\n' | xargs -n 1 echo item
find . -name 'f*' -exec echo found {} \;
timeout 1 true; echo "in time $?"
mkfifo pipe; echo through a fifo > pipe & cat pipe; wait
exec echo "the last"
