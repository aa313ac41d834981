-- Право читать представления клиники (identsync clinic views). Выполните в базе, где они созданы; те, которых у вас нет,
-- вычеркните: clinic_employee и следующие нужны только для ЕГИСЗ.
GRANT USAGE ON SCHEMA {schema} TO {name};
{grants}
