SET NOCOUNT ON;
DECLARE @r TABLE (fence bigint);
UPDATE identsync.task_slot WITH (ROWLOCK) SET fence=fence OUTPUT inserted.fence INTO @r WHERE kind=:kind AND scope=:scope AND fence=:fence AND holder=:holder AND started_ms=:started;
SET NOCOUNT OFF;
SELECT fence FROM @r;
