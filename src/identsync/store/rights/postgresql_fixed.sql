-- Движок читает и пишет строки, а таблицы создал и меняет администратор: сейчас (текст выше) и перед обновлением
-- программы, в котором они другие. Тогда новая программа скажет «не удалось обновить таблицы с версии A до B»: выполните
-- в этой базе, тем же администратором, то, что печатает identsync database tables --dialect postgresql --since A.
GRANT USAGE ON SCHEMA {schema} TO {name};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {name};
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name};
