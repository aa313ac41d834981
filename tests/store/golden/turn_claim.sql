SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DECLARE @now bigint, @client varchar(64), @c0_kind varchar(64), @c0_scope bigint, @c0_request varchar(64), @c0_lease bigint, @c0_horizon bigint, @c0_ttl bigint, @c0_proto bigint, @c0_interval bigint, @c0_phase bigint;
SET @client=?; SET @c0_kind=?; SET @c0_scope=?; SET @c0_request=?; SET @c0_lease=?; SET @c0_horizon=?; SET @c0_ttl=?; SET @c0_proto=?; SET @c0_interval=?; SET @c0_phase=?;
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
SET LOCK_TIMEOUT 50;
DECLARE @out TABLE (tag int, item int, name varchar(64), v1 bigint, v2 bigint, v3 bigint, v4 bigint,
  v5 bigint, v6 bigint, v7 bigint, v8 bigint, v9 bigint);
DECLARE @won TABLE (part int, item int, fence bigint, eligible_ms bigint, attempt int, started_ms bigint);
BEGIN TRY
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
IF EXISTS (SELECT 1 FROM identsync.task_slot WHERE kind=@c0_kind AND scope=@c0_scope AND ((holder=@client AND request=@c0_request) OR ((eligible_ms<=@now OR stamp_ms>@now+@c0_horizon) AND paused=0 AND min_proto<=@c0_proto AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c0_scope AND p.role=0 AND p.seen_ms>@now-@c0_ttl AND p.seen_ms<=@now+@c0_ttl))))))
BEGIN
 BEGIN TRANSACTION;
 UPDATE identsync.task_slot WITH (ROWLOCK) SET fence=fence+CASE WHEN (holder=@client AND request=@c0_request) THEN 0 ELSE 1 END,
  attempt=attempt+CASE WHEN (holder=@client AND request=@c0_request) THEN 0 ELSE 1 END,
  started_ms=CASE WHEN (holder=@client AND request=@c0_request) THEN started_ms ELSE @now END,
  min_proto=CASE WHEN min_proto<@c0_proto THEN @c0_proto ELSE min_proto END,
  holder=@client, request=@c0_request, eligible_ms=@now+@c0_lease, stamp_ms=@now
  OUTPUT 5, 0, inserted.fence, inserted.eligible_ms, inserted.attempt, inserted.started_ms
   INTO @won (part, item, fence, eligible_ms, attempt, started_ms)
  WHERE kind=@c0_kind AND scope=@c0_scope AND ((holder=@client AND request=@c0_request) OR ((eligible_ms<=@now OR stamp_ms>@now+@c0_horizon) AND paused=0 AND min_proto<=@c0_proto AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c0_scope AND p.role=0 AND p.seen_ms>@now-@c0_ttl AND p.seen_ms<=@now+@c0_ttl)))));
 INSERT INTO identsync.run_log (kind, scope, fence, holder, role, due_ms, started_ms, outcome)
  SELECT @c0_kind, @c0_scope, fence, @client, 0, started_ms-(started_ms-@c0_phase)%@c0_interval, started_ms, 'running'
   FROM @won w WHERE part=5 AND item=0
   AND NOT EXISTS (SELECT 1 FROM identsync.run_log r WHERE r.kind=@c0_kind AND r.scope=@c0_scope AND r.fence=w.fence);
 COMMIT TRANSACTION;
END;
IF EXISTS (SELECT 1 FROM @won WHERE part=5 AND item=0)
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5, v6, v7, v8, v9) SELECT 5, 0, '', 1, fence, eligible_ms, @now, attempt, started_ms, 0, 0, 0
  FROM @won WHERE part=5 AND item=0;
ELSE
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5, v6, v7, v8, v9) SELECT 5, 0, '', 0, fence, eligible_ms, @now, attempt, started_ms, paused, min_proto,
   CASE WHEN (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c0_scope AND p.role=0 AND p.seen_ms>@now-@c0_ttl AND p.seen_ms<=@now+@c0_ttl))) THEN 0 ELSE 1 END
  FROM identsync.task_slot WHERE kind=@c0_kind AND scope=@c0_scope;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, v1) VALUES (5, 0, 2);
END CATCH;
SELECT * FROM @out;
