SET NOCOUNT ON;
DECLARE @looks int=200, @now bigint=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
WHILE @looks>0 AND NOT EXISTS (SELECT 1 FROM identsync.task_slot s WITH (NOLOCK) WHERE s.kind='seat' AND s.scope IN (7,0) AND (s.holder IS NULL
  OR EXISTS (SELECT 1 FROM identsync.task_slot WITH (NOLOCK) WHERE scope IN (s.scope, 0) AND kind<>'seat' AND holder IS NULL AND paused=0 AND eligible_ms<finished_ms AND finished_ms>@now-1000)))
BEGIN
 SET @looks=@looks-1;
 WAITFOR DELAY '00:00:00.300';
 SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
END;
SELECT s.scope FROM identsync.task_slot s WITH (NOLOCK) WHERE s.kind='seat' AND s.scope IN (7,0) AND (s.holder IS NULL
  OR EXISTS (SELECT 1 FROM identsync.task_slot WITH (NOLOCK) WHERE scope IN (s.scope, 0) AND kind<>'seat' AND holder IS NULL AND paused=0 AND eligible_ms<finished_ms AND finished_ms>@now-1000));
