# git of local repositories: it forks and executes its helpers, over pipes, with packs and locks.
set -e
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'

git init -q -b main one
cd one
for i in 1 2 3; do
  echo "line $i" >> file
  mkdir "d$i"
  seq "$i" 100 > "d$i/f"
  git add -A
  git commit -q -m "commit $i"
done
git log --oneline | cat
cd ..
git clone -q one two
cd two
git log --format=%H | cat
seq 5 > new
git add new
git commit -q -m new
git push -q origin main:other
cd ../one
git branch | cat
git diff main other --stat | cat
git merge -q other
git gc -q
git fsck
git grep -c 5 | cat
git status --short
echo "the end"
