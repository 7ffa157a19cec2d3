PRAGMA cache_size = 200;
SELECT count(*), sum(length(v)) FROM t;
SELECT sum(length(v)) FROM t WHERE k BETWEEN 5000 AND 9000;
SELECT k / 1000 AS g, count(*), max(v) FROM t GROUP BY g ORDER BY 2 DESC LIMIT 5;
SELECT sum(length(v)) FROM t WHERE k BETWEEN 20000 AND 24000;
SELECT count(*), sum(length(v)) FROM t;
