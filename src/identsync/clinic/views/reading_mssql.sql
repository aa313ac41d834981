-- identsync: право читать представления клиники (Microsoft SQL Server 2016 SP1 и новее).
--
-- Выполните последним, после identsync database setup и identsync clinic views. Представления, которых у вас нет,
-- вычеркните: clinic_employee и следующие нужны только для ЕГИСЗ. Если они в самой базе identsync, вычеркните USE и
-- CREATE USER; если они читают таблицы другой базы, вход должен существовать и в ней.
USE [ВПИШИТЕ БАЗУ С ПРЕДСТАВЛЕНИЯМИ];
GO
CREATE USER {name} FOR LOGIN {name};
GO
{grants}
GO
