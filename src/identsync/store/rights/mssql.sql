-- identsync: база движка, вход и права (Microsoft SQL Server 2016 SP1 и новее).
--
-- Прочитайте этот текст целиком, впишите пароль и один раз выполните его администратором сервера, частями между GO.
-- Движку нужна только своя схема в своей базе и право читать представления клиники: ни одного права на сервер,
-- ни db_owner, ни таблиц IDENT.
--
-- Затем на компьютерах клиники: identsync secret set database, и в настройках
--     [database]
--     url = "mssql+pyodbc://{login}@СЕРВЕР/identsync?driver=ODBC+Driver+18+for+SQL+Server"
--     password = "secret:database"
-- Право читать представления клиники - отдельный текст, для её базы: identsync database setup --part clinic
-- Проверка: identsync check, потом identsync doctor --database.

CREATE DATABASE [identsync];
GO
-- Страницы и отчёты читают, не дожидаясь тех, кто пишет.
ALTER DATABASE [identsync] SET READ_COMMITTED_SNAPSHOT ON;
GO
CREATE LOGIN {name} WITH PASSWORD = N'ВПИШИТЕ ПАРОЛЬ', DEFAULT_DATABASE = [identsync];
GO
USE [identsync];
GO
CREATE USER {name} FOR LOGIN {name} WITH DEFAULT_SCHEMA = {schema};
GO
