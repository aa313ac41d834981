SET NOCOUNT ON;
DECLARE @looks int=200;
WHILE @looks>0 AND NOT EXISTS (SELECT 1 FROM identsync.task_slot WITH (NOLOCK) WHERE kind='seat' AND scope IN (7,0) AND holder IS NULL)
BEGIN
 SET @looks=@looks-1;
 WAITFOR DELAY '00:00:00.300';
END;
SELECT scope FROM identsync.task_slot WITH (NOLOCK) WHERE kind='seat' AND scope IN (7,0) AND holder IS NULL;
