SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DECLARE @now bigint, @client varchar(64), @s0_scope bigint, @s0_lease bigint, @s0_ttl bigint, @e0_kind varchar(64), @e0_scope bigint, @e0_fence bigint, @e0_started bigint, @e0_outcome varchar(16), @e0_counts varchar(max), @e0_note nvarchar(400), @e0_good bigint, @e0_mode bigint, @e0_retry bigint, @e0_interval bigint, @e0_phase bigint, @e0_jitter bigint, @e1_kind varchar(64), @e1_scope bigint, @e1_fence bigint, @e1_started bigint, @e1_outcome varchar(16), @e1_counts varchar(max), @e1_note nvarchar(400), @e1_good bigint, @e1_mode bigint, @e1_retry bigint, @e1_interval bigint, @e1_phase bigint, @e1_jitter bigint, @e2_kind varchar(64), @e2_scope bigint, @e2_fence bigint, @e2_started bigint, @e2_outcome varchar(16), @e2_counts varchar(max), @e2_note nvarchar(400), @e2_good bigint, @e2_mode bigint, @e2_retry bigint, @e2_interval bigint, @e2_phase bigint, @e2_jitter bigint, @e3_kind varchar(64), @e3_scope bigint, @e3_fence bigint, @e3_started bigint, @e3_outcome varchar(16), @e3_counts varchar(max), @e3_note nvarchar(400), @e3_good bigint, @e3_mode bigint, @e3_retry bigint, @e3_interval bigint, @e3_phase bigint, @e3_jitter bigint, @c0_kind varchar(64), @c0_scope bigint, @c0_request varchar(64), @c0_lease bigint, @c0_horizon bigint, @c0_ttl bigint, @c0_proto bigint, @c0_interval bigint, @c0_phase bigint, @c1_kind varchar(64), @c1_scope bigint, @c1_request varchar(64), @c1_lease bigint, @c1_horizon bigint, @c1_ttl bigint, @c1_proto bigint, @c1_interval bigint, @c1_phase bigint, @c2_kind varchar(64), @c2_scope bigint, @c2_request varchar(64), @c2_lease bigint, @c2_horizon bigint, @c2_ttl bigint, @c2_proto bigint, @c2_interval bigint, @c2_phase bigint, @c3_kind varchar(64), @c3_scope bigint, @c3_request varchar(64), @c3_lease bigint, @c3_horizon bigint, @c3_ttl bigint, @c3_proto bigint, @c3_interval bigint, @c3_phase bigint;
SET @client=?; SET @s0_scope=?; SET @s0_lease=?; SET @s0_ttl=?; SET @e0_kind=?; SET @e0_scope=?; SET @e0_fence=?; SET @e0_started=?; SET @e0_outcome=?; SET @e0_counts=?; SET @e0_note=?; SET @e0_good=?; SET @e0_mode=?; SET @e0_retry=?; SET @e0_interval=?; SET @e0_phase=?; SET @e0_jitter=?; SET @e1_kind=?; SET @e1_scope=?; SET @e1_fence=?; SET @e1_started=?; SET @e1_outcome=?; SET @e1_counts=?; SET @e1_note=?; SET @e1_good=?; SET @e1_mode=?; SET @e1_retry=?; SET @e1_interval=?; SET @e1_phase=?; SET @e1_jitter=?; SET @e2_kind=?; SET @e2_scope=?; SET @e2_fence=?; SET @e2_started=?; SET @e2_outcome=?; SET @e2_counts=?; SET @e2_note=?; SET @e2_good=?; SET @e2_mode=?; SET @e2_retry=?; SET @e2_interval=?; SET @e2_phase=?; SET @e2_jitter=?; SET @e3_kind=?; SET @e3_scope=?; SET @e3_fence=?; SET @e3_started=?; SET @e3_outcome=?; SET @e3_counts=?; SET @e3_note=?; SET @e3_good=?; SET @e3_mode=?; SET @e3_retry=?; SET @e3_interval=?; SET @e3_phase=?; SET @e3_jitter=?; SET @c0_kind=?; SET @c0_scope=?; SET @c0_request=?; SET @c0_lease=?; SET @c0_horizon=?; SET @c0_ttl=?; SET @c0_proto=?; SET @c0_interval=?; SET @c0_phase=?; SET @c1_kind=?; SET @c1_scope=?; SET @c1_request=?; SET @c1_lease=?; SET @c1_horizon=?; SET @c1_ttl=?; SET @c1_proto=?; SET @c1_interval=?; SET @c1_phase=?; SET @c2_kind=?; SET @c2_scope=?; SET @c2_request=?; SET @c2_lease=?; SET @c2_horizon=?; SET @c2_ttl=?; SET @c2_proto=?; SET @c2_interval=?; SET @c2_phase=?; SET @c3_kind=?; SET @c3_scope=?; SET @c3_request=?; SET @c3_lease=?; SET @c3_horizon=?; SET @c3_ttl=?; SET @c3_proto=?; SET @c3_interval=?; SET @c3_phase=?;
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
SET LOCK_TIMEOUT 50;
DECLARE @out TABLE (tag int, item int, name varchar(64), v1 bigint, v2 bigint, v3 bigint, v4 bigint,
  v5 bigint, v6 bigint, v7 bigint, v8 bigint, v9 bigint);
DECLARE @won TABLE (part int, item int, fence bigint, eligible_ms bigint, attempt int, started_ms bigint);
BEGIN TRY
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
IF EXISTS (SELECT 1 FROM identsync.presence WHERE scope=@s0_scope AND client=@client)
 UPDATE identsync.presence WITH (ROWLOCK) SET role=0, seen_ms=@now WHERE scope=@s0_scope AND client=@client;
ELSE
 INSERT INTO identsync.presence (scope, client, role, seen_ms) VALUES (@s0_scope, @client, 0, @now);
INSERT INTO @out (tag, item, name, v1, v2, v3)
 SELECT 1, 0, client, role, seen_ms, 0 FROM identsync.presence WITH (NOLOCK) WHERE scope=@s0_scope AND client<>@client AND seen_ms>@now-@s0_ttl AND seen_ms<=@now+@s0_ttl;
INSERT INTO @out (tag, item, name, v1, v2, v3, v4)
 SELECT 2, 0, kind, eligible_ms, paused, CASE WHEN holder IS NULL THEN 0 ELSE 1 END, scope FROM identsync.task_slot WITH (NOLOCK) WHERE scope IN (@s0_scope, 0) AND kind<>'seat' AND (scope=@s0_scope OR (paused=0 AND eligible_ms<@now-2*@s0_lease));
IF EXISTS (SELECT 1 FROM identsync.task_slot WHERE kind='seat' AND scope=@s0_scope AND ((holder=@client OR holder IS NULL OR (eligible_ms<=@now OR stamp_ms>@now+@s0_lease) OR EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s0_scope AND p.client=holder AND p.role>0)) AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s0_scope AND p.role=0 AND p.seen_ms>@now-@s0_ttl AND p.seen_ms<=@now+@s0_ttl)))))
 UPDATE identsync.task_slot WITH (ROWLOCK) SET fence=fence+CASE WHEN holder=@client THEN 0 ELSE 1 END,
  started_ms=CASE WHEN holder=@client THEN started_ms ELSE @now END,
  holder=@client, eligible_ms=@now+@s0_lease, stamp_ms=@now
  OUTPUT 0, 0, inserted.fence, inserted.eligible_ms INTO @won (part, item, fence, eligible_ms)
  WHERE kind='seat' AND scope=@s0_scope AND ((holder=@client OR holder IS NULL OR (eligible_ms<=@now OR stamp_ms>@now+@s0_lease) OR EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s0_scope AND p.client=holder AND p.role>0)) AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s0_scope AND p.role=0 AND p.seen_ms>@now-@s0_ttl AND p.seen_ms<=@now+@s0_ttl))));
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
BEGIN TRANSACTION;
UPDATE identsync.task_slot WITH (ROWLOCK) SET holder=NULL, request=NULL, finished_ms=@now, stamp_ms=@now,
  last_error=CASE WHEN @e1_mode=3 THEN last_error WHEN @e1_outcome='ok' THEN NULL ELSE @e1_note END,
  attempt=CASE WHEN @e1_good=1 THEN 0 WHEN @e1_mode=3 AND attempt>0 THEN attempt-1 ELSE attempt END,
  last_ok_ms=CASE WHEN @e1_good=1 THEN @now ELSE last_ok_ms END,
  eligible_ms=CASE WHEN @e1_mode=3 THEN @now WHEN @e1_mode=2 THEN @now+@e1_retry
    WHEN @e1_mode=1 AND (@now+1000*POWER(CAST(2 AS bigint),CASE WHEN attempt>16 THEN 16 ELSE attempt END)*@e1_jitter/1000)<(@now-(@now-@e1_phase)%@e1_interval+@e1_interval) THEN (@now+1000*POWER(CAST(2 AS bigint),CASE WHEN attempt>16 THEN 16 ELSE attempt END)*@e1_jitter/1000) ELSE (@now-(@now-@e1_phase)%@e1_interval+@e1_interval) END
 OUTPUT 3, 1 INTO @won (part, item)
 WHERE kind=@e1_kind AND scope=@e1_scope AND fence=@e1_fence AND holder=@client AND started_ms=@e1_started;
IF EXISTS (SELECT 1 FROM @won WHERE part=3 AND item=1)
 UPDATE identsync.run_log WITH (ROWLOCK) SET finished_ms=@now, outcome=@e1_outcome, counts=@e1_counts, note=@e1_note WHERE kind=@e1_kind AND scope=@e1_scope AND fence=@e1_fence;
COMMIT TRANSACTION;
INSERT INTO @out (tag, item, v1)
 SELECT 3, 1, CASE WHEN EXISTS (SELECT 1 FROM @won WHERE part=3 AND item=1) OR EXISTS (SELECT 1 FROM identsync.run_log r WHERE r.kind=@e1_kind AND r.scope=@e1_scope AND r.fence=@e1_fence
  AND r.holder=@client AND r.started_ms=@e1_started AND r.outcome=@e1_outcome) THEN 1 ELSE 0 END;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, v1) VALUES (3, 1, 2);
END CATCH;
BEGIN TRY
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
BEGIN TRANSACTION;
UPDATE identsync.task_slot WITH (ROWLOCK) SET holder=NULL, request=NULL, finished_ms=@now, stamp_ms=@now,
  last_error=CASE WHEN @e2_mode=3 THEN last_error WHEN @e2_outcome='ok' THEN NULL ELSE @e2_note END,
  attempt=CASE WHEN @e2_good=1 THEN 0 WHEN @e2_mode=3 AND attempt>0 THEN attempt-1 ELSE attempt END,
  last_ok_ms=CASE WHEN @e2_good=1 THEN @now ELSE last_ok_ms END,
  eligible_ms=CASE WHEN @e2_mode=3 THEN @now WHEN @e2_mode=2 THEN @now+@e2_retry
    WHEN @e2_mode=1 AND (@now+1000*POWER(CAST(2 AS bigint),CASE WHEN attempt>16 THEN 16 ELSE attempt END)*@e2_jitter/1000)<(@now-(@now-@e2_phase)%@e2_interval+@e2_interval) THEN (@now+1000*POWER(CAST(2 AS bigint),CASE WHEN attempt>16 THEN 16 ELSE attempt END)*@e2_jitter/1000) ELSE (@now-(@now-@e2_phase)%@e2_interval+@e2_interval) END
 OUTPUT 3, 2 INTO @won (part, item)
 WHERE kind=@e2_kind AND scope=@e2_scope AND fence=@e2_fence AND holder=@client AND started_ms=@e2_started;
IF EXISTS (SELECT 1 FROM @won WHERE part=3 AND item=2)
 UPDATE identsync.run_log WITH (ROWLOCK) SET finished_ms=@now, outcome=@e2_outcome, counts=@e2_counts, note=@e2_note WHERE kind=@e2_kind AND scope=@e2_scope AND fence=@e2_fence;
COMMIT TRANSACTION;
INSERT INTO @out (tag, item, v1)
 SELECT 3, 2, CASE WHEN EXISTS (SELECT 1 FROM @won WHERE part=3 AND item=2) OR EXISTS (SELECT 1 FROM identsync.run_log r WHERE r.kind=@e2_kind AND r.scope=@e2_scope AND r.fence=@e2_fence
  AND r.holder=@client AND r.started_ms=@e2_started AND r.outcome=@e2_outcome) THEN 1 ELSE 0 END;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, v1) VALUES (3, 2, 2);
END CATCH;
BEGIN TRY
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
BEGIN TRANSACTION;
UPDATE identsync.task_slot WITH (ROWLOCK) SET holder=NULL, request=NULL, finished_ms=@now, stamp_ms=@now,
  last_error=CASE WHEN @e3_mode=3 THEN last_error WHEN @e3_outcome='ok' THEN NULL ELSE @e3_note END,
  attempt=CASE WHEN @e3_good=1 THEN 0 WHEN @e3_mode=3 AND attempt>0 THEN attempt-1 ELSE attempt END,
  last_ok_ms=CASE WHEN @e3_good=1 THEN @now ELSE last_ok_ms END,
  eligible_ms=CASE WHEN @e3_mode=3 THEN @now WHEN @e3_mode=2 THEN @now+@e3_retry
    WHEN @e3_mode=1 AND (@now+1000*POWER(CAST(2 AS bigint),CASE WHEN attempt>16 THEN 16 ELSE attempt END)*@e3_jitter/1000)<(@now-(@now-@e3_phase)%@e3_interval+@e3_interval) THEN (@now+1000*POWER(CAST(2 AS bigint),CASE WHEN attempt>16 THEN 16 ELSE attempt END)*@e3_jitter/1000) ELSE (@now-(@now-@e3_phase)%@e3_interval+@e3_interval) END
 OUTPUT 3, 3 INTO @won (part, item)
 WHERE kind=@e3_kind AND scope=@e3_scope AND fence=@e3_fence AND holder=@client AND started_ms=@e3_started;
IF EXISTS (SELECT 1 FROM @won WHERE part=3 AND item=3)
 UPDATE identsync.run_log WITH (ROWLOCK) SET finished_ms=@now, outcome=@e3_outcome, counts=@e3_counts, note=@e3_note WHERE kind=@e3_kind AND scope=@e3_scope AND fence=@e3_fence;
COMMIT TRANSACTION;
INSERT INTO @out (tag, item, v1)
 SELECT 3, 3, CASE WHEN EXISTS (SELECT 1 FROM @won WHERE part=3 AND item=3) OR EXISTS (SELECT 1 FROM identsync.run_log r WHERE r.kind=@e3_kind AND r.scope=@e3_scope AND r.fence=@e3_fence
  AND r.holder=@client AND r.started_ms=@e3_started AND r.outcome=@e3_outcome) THEN 1 ELSE 0 END;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, v1) VALUES (3, 3, 2);
END CATCH;
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
BEGIN TRY
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
IF EXISTS (SELECT 1 FROM identsync.task_slot WHERE kind=@c1_kind AND scope=@c1_scope AND ((holder=@client AND request=@c1_request) OR ((eligible_ms<=@now OR stamp_ms>@now+@c1_horizon) AND paused=0 AND min_proto<=@c1_proto AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c1_scope AND p.role=0 AND p.seen_ms>@now-@c1_ttl AND p.seen_ms<=@now+@c1_ttl))))))
BEGIN
 BEGIN TRANSACTION;
 UPDATE identsync.task_slot WITH (ROWLOCK) SET fence=fence+CASE WHEN (holder=@client AND request=@c1_request) THEN 0 ELSE 1 END,
  attempt=attempt+CASE WHEN (holder=@client AND request=@c1_request) THEN 0 ELSE 1 END,
  started_ms=CASE WHEN (holder=@client AND request=@c1_request) THEN started_ms ELSE @now END,
  min_proto=CASE WHEN min_proto<@c1_proto THEN @c1_proto ELSE min_proto END,
  holder=@client, request=@c1_request, eligible_ms=@now+@c1_lease, stamp_ms=@now
  OUTPUT 5, 1, inserted.fence, inserted.eligible_ms, inserted.attempt, inserted.started_ms
   INTO @won (part, item, fence, eligible_ms, attempt, started_ms)
  WHERE kind=@c1_kind AND scope=@c1_scope AND ((holder=@client AND request=@c1_request) OR ((eligible_ms<=@now OR stamp_ms>@now+@c1_horizon) AND paused=0 AND min_proto<=@c1_proto AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c1_scope AND p.role=0 AND p.seen_ms>@now-@c1_ttl AND p.seen_ms<=@now+@c1_ttl)))));
 INSERT INTO identsync.run_log (kind, scope, fence, holder, role, due_ms, started_ms, outcome)
  SELECT @c1_kind, @c1_scope, fence, @client, 0, started_ms-(started_ms-@c1_phase)%@c1_interval, started_ms, 'running'
   FROM @won w WHERE part=5 AND item=1
   AND NOT EXISTS (SELECT 1 FROM identsync.run_log r WHERE r.kind=@c1_kind AND r.scope=@c1_scope AND r.fence=w.fence);
 COMMIT TRANSACTION;
END;
IF EXISTS (SELECT 1 FROM @won WHERE part=5 AND item=1)
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5, v6, v7, v8, v9) SELECT 5, 1, '', 1, fence, eligible_ms, @now, attempt, started_ms, 0, 0, 0
  FROM @won WHERE part=5 AND item=1;
ELSE
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5, v6, v7, v8, v9) SELECT 5, 1, '', 0, fence, eligible_ms, @now, attempt, started_ms, paused, min_proto,
   CASE WHEN (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c1_scope AND p.role=0 AND p.seen_ms>@now-@c1_ttl AND p.seen_ms<=@now+@c1_ttl))) THEN 0 ELSE 1 END
  FROM identsync.task_slot WHERE kind=@c1_kind AND scope=@c1_scope;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, v1) VALUES (5, 1, 2);
END CATCH;
BEGIN TRY
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
IF EXISTS (SELECT 1 FROM identsync.task_slot WHERE kind=@c2_kind AND scope=@c2_scope AND ((holder=@client AND request=@c2_request) OR ((eligible_ms<=@now OR stamp_ms>@now+@c2_horizon) AND paused=0 AND min_proto<=@c2_proto AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c2_scope AND p.role=0 AND p.seen_ms>@now-@c2_ttl AND p.seen_ms<=@now+@c2_ttl))))))
BEGIN
 BEGIN TRANSACTION;
 UPDATE identsync.task_slot WITH (ROWLOCK) SET fence=fence+CASE WHEN (holder=@client AND request=@c2_request) THEN 0 ELSE 1 END,
  attempt=attempt+CASE WHEN (holder=@client AND request=@c2_request) THEN 0 ELSE 1 END,
  started_ms=CASE WHEN (holder=@client AND request=@c2_request) THEN started_ms ELSE @now END,
  min_proto=CASE WHEN min_proto<@c2_proto THEN @c2_proto ELSE min_proto END,
  holder=@client, request=@c2_request, eligible_ms=@now+@c2_lease, stamp_ms=@now
  OUTPUT 5, 2, inserted.fence, inserted.eligible_ms, inserted.attempt, inserted.started_ms
   INTO @won (part, item, fence, eligible_ms, attempt, started_ms)
  WHERE kind=@c2_kind AND scope=@c2_scope AND ((holder=@client AND request=@c2_request) OR ((eligible_ms<=@now OR stamp_ms>@now+@c2_horizon) AND paused=0 AND min_proto<=@c2_proto AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c2_scope AND p.role=0 AND p.seen_ms>@now-@c2_ttl AND p.seen_ms<=@now+@c2_ttl)))));
 INSERT INTO identsync.run_log (kind, scope, fence, holder, role, due_ms, started_ms, outcome)
  SELECT @c2_kind, @c2_scope, fence, @client, 0, started_ms-(started_ms-@c2_phase)%@c2_interval, started_ms, 'running'
   FROM @won w WHERE part=5 AND item=2
   AND NOT EXISTS (SELECT 1 FROM identsync.run_log r WHERE r.kind=@c2_kind AND r.scope=@c2_scope AND r.fence=w.fence);
 COMMIT TRANSACTION;
END;
IF EXISTS (SELECT 1 FROM @won WHERE part=5 AND item=2)
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5, v6, v7, v8, v9) SELECT 5, 2, '', 1, fence, eligible_ms, @now, attempt, started_ms, 0, 0, 0
  FROM @won WHERE part=5 AND item=2;
ELSE
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5, v6, v7, v8, v9) SELECT 5, 2, '', 0, fence, eligible_ms, @now, attempt, started_ms, paused, min_proto,
   CASE WHEN (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c2_scope AND p.role=0 AND p.seen_ms>@now-@c2_ttl AND p.seen_ms<=@now+@c2_ttl))) THEN 0 ELSE 1 END
  FROM identsync.task_slot WHERE kind=@c2_kind AND scope=@c2_scope;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, v1) VALUES (5, 2, 2);
END CATCH;
BEGIN TRY
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
IF EXISTS (SELECT 1 FROM identsync.task_slot WHERE kind=@c3_kind AND scope=@c3_scope AND ((holder=@client AND request=@c3_request) OR ((eligible_ms<=@now OR stamp_ms>@now+@c3_horizon) AND paused=0 AND min_proto<=@c3_proto AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c3_scope AND p.role=0 AND p.seen_ms>@now-@c3_ttl AND p.seen_ms<=@now+@c3_ttl))))))
BEGIN
 BEGIN TRANSACTION;
 UPDATE identsync.task_slot WITH (ROWLOCK) SET fence=fence+CASE WHEN (holder=@client AND request=@c3_request) THEN 0 ELSE 1 END,
  attempt=attempt+CASE WHEN (holder=@client AND request=@c3_request) THEN 0 ELSE 1 END,
  started_ms=CASE WHEN (holder=@client AND request=@c3_request) THEN started_ms ELSE @now END,
  min_proto=CASE WHEN min_proto<@c3_proto THEN @c3_proto ELSE min_proto END,
  holder=@client, request=@c3_request, eligible_ms=@now+@c3_lease, stamp_ms=@now
  OUTPUT 5, 3, inserted.fence, inserted.eligible_ms, inserted.attempt, inserted.started_ms
   INTO @won (part, item, fence, eligible_ms, attempt, started_ms)
  WHERE kind=@c3_kind AND scope=@c3_scope AND ((holder=@client AND request=@c3_request) OR ((eligible_ms<=@now OR stamp_ms>@now+@c3_horizon) AND paused=0 AND min_proto<=@c3_proto AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c3_scope AND p.role=0 AND p.seen_ms>@now-@c3_ttl AND p.seen_ms<=@now+@c3_ttl)))));
 INSERT INTO identsync.run_log (kind, scope, fence, holder, role, due_ms, started_ms, outcome)
  SELECT @c3_kind, @c3_scope, fence, @client, 0, started_ms-(started_ms-@c3_phase)%@c3_interval, started_ms, 'running'
   FROM @won w WHERE part=5 AND item=3
   AND NOT EXISTS (SELECT 1 FROM identsync.run_log r WHERE r.kind=@c3_kind AND r.scope=@c3_scope AND r.fence=w.fence);
 COMMIT TRANSACTION;
END;
IF EXISTS (SELECT 1 FROM @won WHERE part=5 AND item=3)
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5, v6, v7, v8, v9) SELECT 5, 3, '', 1, fence, eligible_ms, @now, attempt, started_ms, 0, 0, 0
  FROM @won WHERE part=5 AND item=3;
ELSE
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5, v6, v7, v8, v9) SELECT 5, 3, '', 0, fence, eligible_ms, @now, attempt, started_ms, paused, min_proto,
   CASE WHEN (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@c3_scope AND p.role=0 AND p.seen_ms>@now-@c3_ttl AND p.seen_ms<=@now+@c3_ttl))) THEN 0 ELSE 1 END
  FROM identsync.task_slot WHERE kind=@c3_kind AND scope=@c3_scope;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, v1) VALUES (5, 3, 2);
END CATCH;
SELECT * FROM @out;
