PRAGMA journal_mode = MEMORY;
PRAGMA synchronous = OFF;
CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, v TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
INSERT INTO t SELECT i, (i * 7919) % 100003, printf('%032d', i * 31) FROM n;
CREATE INDEX tk ON t(k);
SELECT count(*), sum(k) FROM t WHERE k % 7 = 3;
SELECT k / 1000 AS g, count(*), max(v) FROM t GROUP BY g ORDER BY 2 DESC LIMIT 5;
UPDATE t SET v = v || 'x' WHERE k < 20000;
SELECT count(*) FROM t a JOIN t b ON a.k = b.id WHERE a.id < 60000;
