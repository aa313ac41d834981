-- Схема принадлежит движку: он сам создаёт в ней таблицы и при обновлении программы сам их меняет.
-- Если менять таблицы ему нельзя, возьмите другой текст: identsync database setup --fixed
CREATE SCHEMA {schema} AUTHORIZATION {name};
