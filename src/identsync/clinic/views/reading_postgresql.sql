-- identsync: право читать представления клиники (PostgreSQL 13 и новее).
--
-- Выполните последним, после identsync database setup и identsync clinic views, в базе, где представления созданы:
--     psql -d БАЗА_КЛИНИКИ -f ФАЙЛ
-- Те, которых у вас нет, вычеркните: clinic_employee и следующие нужны только для ЕГИСЗ.
GRANT USAGE ON SCHEMA {schema} TO {name};
{grants}
