-- identsync: база движка, вход и права (PostgreSQL 13 и новее).
--
-- Прочитайте этот текст целиком, впишите пароль и один раз выполните его в psql администратором сервера.
-- Движку нужна только своя схема в своей базе и право читать представления клиники: ни SUPERUSER, ни CREATEDB.
--
-- Затем на компьютерах клиники: identsync secret set database, и в настройках
--     [database]
--     url = "postgresql+psycopg://{login}@СЕРВЕР/identsync"
--     password = "secret:database"
-- Право читать представления клиники - отдельный текст, для её базы: identsync database setup --part clinic
-- Проверка: identsync check, потом identsync doctor --database.
--
-- Соединения (max_connections): программа без дела держит не больше двух, а большинство ни одного; за работой обычно
-- два-три, никогда больше двенадцати. Сто программ одной сети умещаются в обычные 100, если работают не все сразу.

CREATE ROLE {name} LOGIN PASSWORD 'ВПИШИТЕ ПАРОЛЬ';
CREATE DATABASE identsync ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE identsync FROM PUBLIC;
GRANT CONNECT ON DATABASE identsync TO {name};
\connect identsync
REVOKE ALL ON SCHEMA public FROM PUBLIC;
