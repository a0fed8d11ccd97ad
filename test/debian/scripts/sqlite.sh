# One database of SQLite that several processes write to: record locks, then shared memory.
set -e
add() {
  for i in 1 2 3 4; do
    sqlite3 -cmd '.timeout 60000' db \
      "begin immediate; insert into t(who) select '$1' from (values (1), (2), (3)); commit;"
  done
}
count() { sqlite3 db 'select who, count(*) from t group by who; pragma integrity_check;'; }
sqlite3 db 'create table t(id integer primary key, who);'
add x & add y & add z & wait
count
sqlite3 db 'pragma journal_mode = wal'
add x & add y & wait
count
