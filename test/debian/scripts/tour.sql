PRAGMA journal_mode=WAL;
CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INT, city TEXT);
CREATE TABLE purchase(id INTEGER PRIMARY KEY, person INT REFERENCES person(id), item TEXT, price REAL, at TEXT);
CREATE INDEX purchase_person ON purchase(person);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<500)
INSERT INTO person SELECT i, printf('person%03d', i), 18+(i*37)%60, CASE i%4 WHEN 0 THEN 'Paris' WHEN 1 THEN 'Oslo' WHEN 2 THEN 'Rome' ELSE NULL END FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3000)
INSERT INTO purchase SELECT i, 1+(i*7919)%500, 'item'||(i%50), round((i*31%1000)/7.0,2), date('2024-01-01','+'||(i%366)||' days') FROM n;
ANALYZE;
SELECT city, count(*), avg(age), min(name), max(name) FROM person GROUP BY city ORDER BY city;
SELECT p.name, count(*) c, round(sum(q.price),2) s FROM person p JOIN purchase q ON q.person=p.id GROUP BY p.id ORDER BY s DESC, p.name LIMIT 10;
SELECT strftime('%m', at) m, count(*), round(total(price),2) FROM purchase GROUP BY m ORDER BY m;
SELECT name, age, rank() OVER (PARTITION BY city ORDER BY age DESC, name) r FROM person WHERE city='Oslo' ORDER BY r LIMIT 5;
EXPLAIN QUERY PLAN SELECT * FROM purchase WHERE person=5;
UPDATE person SET age=age+1 WHERE city IS NULL;
DELETE FROM purchase WHERE price<20 AND item LIKE 'item1%';
SELECT changes(), total(price) FROM purchase;
BEGIN; INSERT INTO person VALUES(1000,'temp',1,'x'); ROLLBACK;
SELECT count(*) FROM person;
INSERT INTO person VALUES(1,'dup',1,'x');
SELECT json_group_array(name) FROM (SELECT name FROM person WHERE age>75 ORDER BY name LIMIT 5);
SELECT quote(x'0102'), upper('straße'), substr('hello',2,3), instr('hello','l'), typeof(1.0), abs(-5), 7/2, 7%3, 1.0/3;
CREATE VIEW v AS SELECT city, count(*) n FROM person GROUP BY city; SELECT * FROM v WHERE n>100 ORDER BY 1;
CREATE TRIGGER t AFTER DELETE ON person BEGIN UPDATE purchase SET person=NULL WHERE person=old.id; END;
DELETE FROM person WHERE id<=50; SELECT count(*) FROM purchase WHERE person IS NULL;
VACUUM;
PRAGMA integrity_check;
.tables
.schema person
