-- A small script: what a user types into the shell.
CREATE TABLE guests(id INTEGER PRIMARY KEY, name TEXT, age INTEGER);
INSERT INTO guests(name, age) VALUES ('hello', 1), ('lua', 31), ('python', 34), ('sqlite', 25);
CREATE INDEX by_age ON guests(age);
SELECT name, age FROM guests WHERE age > 10 ORDER BY age DESC;
SELECT count(*), avg(age), group_concat(name, '/') FROM guests;
UPDATE guests SET age = age + 1;
SELECT json_group_array(json_object('name', name, 'age', age)) FROM guests;
