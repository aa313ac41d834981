SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DECLARE @now bigint, @client varchar(64), @s0_scope bigint, @s0_lease bigint, @s0_ttl bigint, @e0_kind varchar(64), @e0_scope bigint, @e0_fence bigint, @e0_started bigint, @e0_outcome varchar(16), @e0_counts varchar(max), @e0_note nvarchar(400), @e0_good bigint, @e0_mode bigint, @e0_retry bigint, @e0_interval bigint, @e0_phase bigint, @e0_jitter bigint, @r0_kind varchar(64), @r0_scope bigint, @r0_fence bigint, @r0_started bigint, @r0_lease bigint, @c0_kind varchar(64), @c0_scope bigint, @c0_request varchar(64), @c0_lease bigint, @c0_horizon bigint, @c0_ttl bigint, @c0_proto bigint, @c0_interval bigint, @c0_phase bigint;
SET @client=?; SET @s0_scope=?; SET @s0_lease=?; SET @s0_ttl=?; SET @e0_kind=?; SET @e0_scope=?; SET @e0_fence=?; SET @e0_started=?; SET @e0_outcome=?; SET @e0_counts=?; SET @e0_note=?; SET @e0_good=?; SET @e0_mode=?; SET @e0_retry=?; SET @e0_interval=?; SET @e0_phase=?; SET @e0_jitter=?; SET @r0_kind=?; SET @r0_scope=?; SET @r0_fence=?; SET @r0_started=?; SET @r0_lease=?; SET @c0_kind=?; SET @c0_scope=?; SET @c0_request=?; SET @c0_lease=?; SET @c0_horizon=?; SET @c0_ttl=?; SET @c0_proto=?; SET @c0_interval=?; SET @c0_phase=?;
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
SET LOCK_TIMEOUT 50;
DECLARE @out TABLE (tag int, item int, name varchar(64), v1 bigint, v2 bigint, v3 bigint, v4 bigint,
  v5 bigint, v6 bigint, v7 bigint, v8 bigint, v9 bigint);
DECLARE @won TABLE (part int, item int, fence bigint, eligible_ms bigint, attempt int, started_ms bigint);
BEGIN TRY
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
IF EXISTS (SELECT 1 FROM identsync.presence WHERE scope=@s0_scope AND client=@client)
 UPDATE identsync.presence WITH (ROWLOCK) SET role=1, seen_ms=@now WHERE scope=@s0_scope AND client=@client;
ELSE
 INSERT INTO identsync.presence (scope, client, role, seen_ms) VALUES (@s0_scope, @client, 1, @now);
INSERT INTO @out (tag, item, name, v1, v2, v3)
 SELECT 1, 0, client, role, seen_ms, 0 FROM identsync.presence WITH (NOLOCK) WHERE scope=@s0_scope AND client<>@client AND seen_ms>@now-@s0_ttl AND seen_ms<=@now+@s0_ttl;
INSERT INTO @out (tag, item, name, v1, v2, v3, v4)
 SELECT 2, 0, kind, eligible_ms, paused, CASE WHEN holder IS NULL THEN 0 ELSE 1 END, scope FROM identsync.task_slot WITH (NOLOCK) WHERE scope IN (@s0_scope, 0) AND kind<>'seat' AND (scope=@s0_scope OR (paused=0 AND eligible_ms<@now-2*@s0_lease));
IF EXISTS (SELECT 1 FROM identsync.task_slot WHERE kind='seat' AND scope=@s0_scope AND ((holder=@client OR holder IS NULL OR (eligible_ms<=@now OR stamp_ms>@now+@s0_lease) OR EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s0_scope AND p.client=holder AND p.role>1)) AND (1=0 OR (1=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s0_scope AND p.role=0 AND p.seen_ms>@now-@s0_ttl AND p.seen_ms<=@now+@s0_ttl)))))
 UPDATE identsync.task_slot WITH (ROWLOCK) SET fence=fence+CASE WHEN holder=@client THEN 0 ELSE 1 END,
  started_ms=CASE WHEN holder=@client THEN started_ms ELSE @now END,
  holder=@client, eligible_ms=@now+@s0_lease, stamp_ms=@now
  OUTPUT 0, 0, inserted.fence, inserted.eligible_ms INTO @won (part, item, fence, eligible_ms)
  WHERE kind='seat' AND scope=@s0_scope AND ((holder=@client OR holder IS NULL OR (eligible_ms<=@now OR stamp_ms>@now+@s0_lease) OR EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s0_scope AND p.client=holder AND p.role>1)) AND (1=0 OR (1=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s0_scope AND p.role=0 AND p.seen_ms>@now-@s0_ttl AND p.seen_ms<=@now+@s0_ttl))));
IF EXISTS (SELECT 1 FROM @won WHERE part=0 AND item=0)
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4) SELECT 0, 0, @client, 1, fence, eligible_ms, @now FROM @won WHERE part=0 AND item=0;
ELSE
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5)
  SELECT 0, 0, COALESCE(holder, ''), 0, fence, eligible_ms, @now, (SELECT COUNT(*) FROM identsync.presence p WHERE p.scope=@s0_scope AND p.client<>@client AND p.seen_ms>@now-72*@s0_lease)
   FROM identsync.task_slot WHERE kind='seat' AND scope=@s0_scope;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5)
  SELECT 0, 0, COALESCE(holder, ''), 0, fence, eligible_ms, @now, (SELECT COUNT(*) FROM identsync.presence p WHERE p.scope=@s0_scope AND p.client<>@client AND p.seen_ms>@now-72*@s0_lease)
   FROM identsync.task_slot WITH (NOLOCK) WHERE kind='seat' AND scope=@s0_scope;
END CATCH;
BEGIN TRY
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
BEGIN TRANSACTION;
UPDATE identsync.task_slot WITH (ROWLOCK) SET holder=NULL, request=NULL, finished_ms=@now, stamp_ms=@now,
  last_error=CASE WHEN @e0_mode=3 THEN last_error WHEN @e0_outcome='ok' THEN NULL ELSE @e0_note END,
  attempt=CASE WHEN @e0_good=1 THEN 0 WHEN @e0_mode=3 AND attempt>0 THEN attempt-1 ELSE attempt END,
  last_ok_ms=CASE WHEN @e0_good=1 THEN @now ELSE last_ok_ms END,
  eligible_ms=CASE WHEN @e0_mode=3 THEN @now WHEN @e0_mode=2 THEN @now+@e0_retry
    WHEN @e0_mode=1 AND (@now+1000*POWER(CAST(2 AS bigint),CASE WHEN attempt>16 THEN 16 ELSE attempt END)*@e0_jitter/1000)<(@now-(@now-@e0_phase)%@e0_interval+@e0_interval) THEN (@now+1000*POWER(CAST(2 AS bigint),CASE WHEN attempt>16 THEN 16 ELSE attempt END)*@e0_jitter/1000) ELSE (@now-(@now-@e0_phase)%@e0_interval+@e0_interval) END
 OUTPUT 3, 0 INTO @won (part, item)
 WHERE kind=@e0_kind AND scope=@e0_scope AND fence=@e0_fence AND holder=@client AND started_ms=@e0_started;
IF EXISTS (SELECT 1 FROM @won WHERE part=3 AND item=0)
 UPDATE identsync.run_log WITH (ROWLOCK) SET finished_ms=@now, outcome=@e0_outcome, counts=@e0_counts, note=@e0_note WHERE kind=@e0_kind AND scope=@e0_scope AND fence=@e0_fence;
COMMIT TRANSACTION;
INSERT INTO @out (tag, item, v1)
 SELECT 3, 0, CASE WHEN EXISTS (SELECT 1 FROM @won WHERE part=3 AND item=0) OR EXISTS (SELECT 1 FROM identsync.run_log r WHERE r.kind=@e0_kind AND r.scope=@e0_scope AND r.fence=@e0_fence
  AND r.holder=@client AND r.started_ms=@e0_started AND r.outcome=@e0_outcome) THEN 1 ELSE 0 END;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, v1) VALUES (3, 0, 2);
END CATCH;
BEGIN TRY
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
UPDATE identsync.task_slot WITH (ROWLOCK) SET eligible_ms=@now+@r0_lease, stamp_ms=@now
 OUTPUT 4, 0, inserted.eligible_ms INTO @won (part, item, eligible_ms)
 WHERE kind=@r0_kind AND scope=@r0_scope AND fence=@r0_fence AND holder=@client AND started_ms=@r0_started AND eligible_ms>@now;
INSERT INTO @out (tag, item, v1, v2) SELECT 4, 0, 1, eligible_ms-@now FROM @won WHERE part=4 AND item=0;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, v1) VALUES (4, 0, 2);
END CATCH;
BEGIN TRY
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
IF EXISTS (SELECT 1 FROM identsync.task_slot WHERE kind=@c0_kind AND scope=@c0_scope AND ((holder=@client AND request=@c0_request) OR ((eligible_ms<=@now OR stamp_ms>@now+@c0_horizon) AND paused=0 AND min_proto<=@c0_proto AND (1=0 OR (1=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c0_scope AND p.role=0 AND p.seen_ms>@now-@c0_ttl AND p.seen_ms<=@now+@c0_ttl))))))
BEGIN
 BEGIN TRANSACTION;
 UPDATE identsync.task_slot WITH (ROWLOCK) SET fence=fence+CASE WHEN (holder=@client AND request=@c0_request) THEN 0 ELSE 1 END,
  attempt=attempt+CASE WHEN (holder=@client AND request=@c0_request) THEN 0 ELSE 1 END,
  started_ms=CASE WHEN (holder=@client AND request=@c0_request) THEN started_ms ELSE @now END,
  min_proto=CASE WHEN min_proto<@c0_proto THEN @c0_proto ELSE min_proto END,
  holder=@client, request=@c0_request, eligible_ms=@now+@c0_lease, stamp_ms=@now
  OUTPUT 5, 0, inserted.fence, inserted.eligible_ms, inserted.attempt, inserted.started_ms
   INTO @won (part, item, fence, eligible_ms, attempt, started_ms)
  WHERE kind=@c0_kind AND scope=@c0_scope AND ((holder=@client AND request=@c0_request) OR ((eligible_ms<=@now OR stamp_ms>@now+@c0_horizon) AND paused=0 AND min_proto<=@c0_proto AND (1=0 OR (1=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c0_scope AND p.role=0 AND p.seen_ms>@now-@c0_ttl AND p.seen_ms<=@now+@c0_ttl)))));
 INSERT INTO identsync.run_log (kind, scope, fence, holder, role, due_ms, started_ms, outcome)
  SELECT @c0_kind, @c0_scope, fence, @client, 1, started_ms-(started_ms-@c0_phase)%@c0_interval, started_ms, 'running'
   FROM @won w WHERE part=5 AND item=0
   AND NOT EXISTS (SELECT 1 FROM identsync.run_log r WHERE r.kind=@c0_kind AND r.scope=@c0_scope AND r.fence=w.fence);
 COMMIT TRANSACTION;
END;
IF EXISTS (SELECT 1 FROM @won WHERE part=5 AND item=0)
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5, v6, v7, v8, v9) SELECT 5, 0, '', 1, fence, eligible_ms, @now, attempt, started_ms, 0, 0, 0
  FROM @won WHERE part=5 AND item=0;
ELSE
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5, v6, v7, v8, v9) SELECT 5, 0, '', 0, fence, eligible_ms, @now, attempt, started_ms, paused, min_proto,
   CASE WHEN (1=0 OR (1=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c0_scope AND p.role=0 AND p.seen_ms>@now-@c0_ttl AND p.seen_ms<=@now+@c0_ttl))) THEN 0 ELSE 1 END
  FROM identsync.task_slot WHERE kind=@c0_kind AND scope=@c0_scope;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, v1) VALUES (5, 0, 2);
END CATCH;
SELECT * FROM @out;
