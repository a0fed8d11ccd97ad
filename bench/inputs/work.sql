-- Tables, indices, joins, aggregates, windows and text search by LIKE, in memory. It can be read several times.
DROP TABLE IF EXISTS pages;
DROP TABLE IF EXISTS owners;
CREATE TABLE pages(id INTEGER PRIMARY KEY, owner INTEGER, rights TEXT, size INTEGER);
CREATE TABLE owners(id INTEGER PRIMARY KEY, name TEXT UNIQUE);
BEGIN;
INSERT INTO owners SELECT value, printf('owner %03d', value * 7 % 200) FROM generate_series(1, 200);
INSERT INTO pages
  SELECT value, value * 2654435761 % 200 + 1, substr('rwxrw-r-xr--', value % 4 * 3 + 1, 3), value * value % 4096
  FROM generate_series(1, 20000);
COMMIT;
CREATE INDEX by_owner ON pages(owner, size);
SELECT name, count(*), sum(size), max(rights) FROM pages JOIN owners ON owners.id = owner
  GROUP BY owner HAVING count(*) > 90 ORDER BY sum(size) DESC, name LIMIT 5;
SELECT rights, count(*), round(avg(size), 3) FROM pages WHERE rights LIKE '%w%' OR size % 7 = 3 GROUP BY rights;
SELECT id, total FROM (SELECT id, sum(size) OVER (PARTITION BY owner ORDER BY id) AS total FROM pages)
  WHERE total % 1000 = 1 ORDER BY id LIMIT 5;
UPDATE pages SET size = size + (SELECT length(name) FROM owners WHERE owners.id = owner) WHERE id % 3 = 0;
DELETE FROM pages WHERE rights = 'r--' AND size < 1000;
WITH RECURSIVE chain(id, depth) AS (
  SELECT 1, 0 UNION ALL SELECT pages.owner + 1 + depth % 50, depth + 1 FROM chain JOIN pages ON pages.id = chain.id
  WHERE depth < 2000)
SELECT count(*), sum(id), max(depth) FROM chain;
SELECT group_concat(name, ',') FROM (SELECT name FROM owners WHERE name GLOB '*9?' ORDER BY name);
SELECT count(*), sum(size), total(length(hex(id))) FROM pages;
