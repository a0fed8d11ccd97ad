# Tools that start others: xargs -P, timeout, tar, script, flock, coprocesses; fzf, which is written in Go; ripgrep and fd, in Rust.
section() { echo "== $1"; }

section xargs
seq 20 | xargs -P 4 -n 1 sh -c 'echo $(($0 * $0))' | sort -n | tr '\n' ' '; echo

section timeout
timeout 0.2 sleep 60; echo $?
# A signal that it ignores comes first, SIGKILL then.
(timeout -s WINCH -k 0.1 0.1 sleep 60; echo $?) 2> /dev/null

section tar
mkdir t u
seq 1000 > t/a
seq 20000 > t/b
tar cf - t | gzip -9 | gzip -dc | tar tf - | sort
tar czf t.tgz t
tar xzf t.tgz -C u
diff -r t u/t && echo same
find t -type f -print0 | xargs -0 -P2 -I{} sha1sum {} | sort
dd if=/dev/zero bs=64k count=50 2> /dev/null | tee >(wc -c > size) | md5sum
wait $!; cat size

section ssh-keygen
ssh-keygen -q -t ed25519 -N '' -f key -C me; ssh-keygen -l -f key | cut -d' ' -f1,3-
ssh-keygen -Y sign -q -f key -n test t/a && ssh-keygen -Y check-novalidate -n test -s t/a.sig < t/a | cut -d' ' -f1-5

section others
script -qec 'tty | cut -c1-8; echo in' /dev/null < /dev/null | tr -d '\r'
setsid -w sh -c 'echo session'
flock lock sh -c 'echo locked'
nice -n 5 nice
yes | head -n 100000 | wc -l
coproc cat
echo hi >&"${COPROC[1]}"
read -r x <&"${COPROC[0]}"
echo "$x"

section go
seq 100000 | fzf -f 9999 | head -n 3

section rust
rg -c '9{3}' --sort path t
fdfind -e tgz
