CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO t SELECT i, hex(i * 7919 % 1000003) || 'some text that makes the row longer', i * 31 % 977 FROM n;
CREATE INDEX by_b ON t(b);
CREATE INDEX by_c ON t(c, b);
SELECT count(*), sum(length(b)) FROM t WHERE c < 500;
