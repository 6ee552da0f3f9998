WITH relation AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relhasrules
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
),
expression AS (
    SELECT adrelid, adnum, adbin::pg_catalog.text AS tree FROM pg_catalog.pg_attrdef
    WHERE adrelid IN (SELECT oid FROM relation)
    UNION ALL
    SELECT a.attrelid, a.attnum, t.typdefaultbin::pg_catalog.text
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid IN (SELECT oid FROM relation) AND NOT a.atthasdef AND t.typdefaultbin IS NOT NULL
),
moving AS (
    SELECT DISTINCT e.adrelid, e.adnum FROM expression e
    WHERE EXISTS (
            SELECT 1 FROM pg_catalog.regexp_matches(e.tree, '\{([A-Z]+)', 'g') AS node (word)
            WHERE word[1] NOT IN ('CONST', 'FUNCEXPR', 'OPEXPR', 'RELABELTYPE', 'ARRAY', 'ARRAYEXPR'))
       OR EXISTS (
            SELECT 1 FROM pg_catalog.regexp_matches(e.tree, ':(?:op)?funcid (\d+)', 'g') AS called (id)
            LEFT JOIN pg_catalog.pg_proc p ON p.oid = id[1]::pg_catalog.oid
            WHERE p.provolatile IS DISTINCT FROM 'i')
),
columns AS (
    SELECT a.attrelid, pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', a.attname,
        'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
        'required', a.attnotnull,
        'deterministic', coalesce(l.collisdeterministic, true),
        'volatile', a.attgenerated = '' AND (a.attidentity <> '' OR m.adrelid IS NOT NULL)
        ) ORDER BY a.attnum) AS list
    FROM pg_catalog.pg_attribute a
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
    LEFT JOIN moving m ON m.adrelid = a.attrelid AND m.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN (SELECT oid FROM relation)
    GROUP BY a.attrelid
),
uniques AS (
    SELECT i.indrelid, pg_catalog.json_agg(pg_catalog.json_build_object('name', c.relname, 'columns', (
        SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
        FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (number, place)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE k.place <= i.indnkeyatts)) ORDER BY c.relname) AS list
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    WHERE i.indisunique AND i.indrelid IN (SELECT oid FROM relation)
    GROUP BY i.indrelid
),
foreigns AS (
    SELECT f.conrelid, pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', f.conname, 'table', n.nspname || '.' || c.relname,
        'columns', (
            SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
            FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k (number, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number),
        'referenced', (
            SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
            FROM pg_catalog.unnest(f.confkey) WITH ORDINALITY AS k (number, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.number)
        ) ORDER BY f.conname) AS list
    FROM pg_catalog.pg_constraint f
    JOIN pg_catalog.pg_class c ON c.oid = f.confrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE f.contype = 'f' AND f.conrelid IN (SELECT oid FROM relation)
    GROUP BY f.conrelid
),
paths AS (
    SELECT r.rolname, s.setdatabase <> 0 AS here,
        pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) AS path
    FROM pg_catalog.pg_db_role_setting s
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole,
    pg_catalog.unnest(s.setconfig) AS entry
    WHERE pg_catalog.split_part(entry, '=', 1) = 'search_path' AND (s.setrole = 0 OR r.rolname IS NOT NULL)
      AND (s.setdatabase = 0 OR s.setdatabase = (
        SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
)
SELECT pg_catalog.json_build_object(
    'encoding', pg_catalog.current_setting('server_encoding'),
    'search_path', CASE WHEN NOT EXISTS (
        SELECT 1 FROM paths WHERE rolname IS NULL OR rolname = session_user
        ) THEN (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'search_path') END,
    'paths', coalesce((
        SELECT pg_catalog.json_agg(
            pg_catalog.json_build_object('role', rolname, 'here', here, 'path', path) ORDER BY rolname, here, path)
        FROM paths), '[]'),
    'functions', coalesce((
        SELECT pg_catalog.json_agg(DISTINCT p.proname)
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')), '[]'),
    'relations', coalesce((
        SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'schema', r.nspname, 'name', r.relname, 'kind', r.relkind, 'rules', r.relhasrules,
            'columns', coalesce(columns.list, '[]'), 'uniques', coalesce(uniques.list, '[]'),
            'foreign', coalesce(foreigns.list, '[]')) ORDER BY r.nspname, r.relname)
        FROM relation r LEFT JOIN columns ON columns.attrelid = r.oid
        LEFT JOIN uniques ON uniques.indrelid = r.oid LEFT JOIN foreigns ON foreigns.conrelid = r.oid), '[]')
)::pg_catalog.text AS catalog
