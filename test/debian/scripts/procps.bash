# What procps and psmisc see of a shell and its children.
sleep 60 & first=$!
(exec -a 'a title' sleep 61) & second=$!
mkfifo gate
bash -c 'read x < gate; exit 4' & third=$!
state() { ps -o stat= -p $1 | cut -c1; }
until [ "$(state $first)" = S ]; do :; done
until [ "$(ps -o args= -p $second)" = 'a title 61' ]; do :; done
until [ "$(state $third)" = S ]; do :; done
echo "ps:" $(ps -o comm= -p $first,$second,$third | sort)
[ "$(ps -o ppid= -p $first,$second,$third | sort -u | tr -d ' ')" = $$ ] && echo "parents: the shell"
echo "threads:" $(ps -o nlwp= -p $first)
[ "$(ps -o pgid= -p $first)" = "$(ps -o pgid= -p $$)" ] && echo "group: the shell's"
echo "pgrep:" $(pgrep -P $$ -x sleep | wc -l)
[ "$(pgrep -P $$ -f 'a title')" = $second ] && echo "pgrep -f: the second"
pstree -A -p $$ | grep -q "sleep($first)" && echo "pstree: the first"
set -- $(top -b -n1 -p $first | tail -1)
[ $1 = $first ] && echo "top: ${12} $8"
set -- $(ps -o rss=,vsz= -p $$)
[ $1 -gt 500 ] && [ $2 -gt $1 ] && echo "size: some"
echo "listed:" $(ls /proc | grep -cx -e $first -e $second -e $third -e $$)
kill -STOP $first
until [ "$(state $first)" = T ]; do :; done
echo "stopped"
echo go > gate
wait $third
echo "third: $?"
pkill -P $$ -f 'a title'
wait $second 2> /dev/null
echo "second: $?"
kill -KILL $first
wait $first 2> /dev/null
echo "first: $?"
echo "left:" $(pgrep -P $$ sleep | wc -l)
(i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done)
times > told
tail -n 1 told | grep -q '^0m0.000s' || echo "children: some time"
rm gate told
