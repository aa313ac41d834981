SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DECLARE @now bigint, @client varchar(64), @s0_scope bigint, @s0_lease bigint, @s0_ttl bigint, @s1_scope bigint, @s1_lease bigint, @s1_ttl bigint;
SET @client=?; SET @s0_scope=?; SET @s0_lease=?; SET @s0_ttl=?; SET @s1_scope=?; SET @s1_lease=?; SET @s1_ttl=?;
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
IF EXISTS (SELECT 1 FROM identsync.presence WHERE scope=@s1_scope AND client=@client)
 UPDATE identsync.presence WITH (ROWLOCK) SET role=0, seen_ms=@now WHERE scope=@s1_scope AND client=@client;
ELSE
 INSERT INTO identsync.presence (scope, client, role, seen_ms) VALUES (@s1_scope, @client, 0, @now);
INSERT INTO @out (tag, item, name, v1, v2, v3)
 SELECT 1, 1, client, role, seen_ms, 0 FROM identsync.presence WITH (NOLOCK) WHERE scope=@s1_scope AND client<>@client AND seen_ms>@now-@s1_ttl AND seen_ms<=@now+@s1_ttl;
INSERT INTO @out (tag, item, name, v1, v2, v3, v4)
 SELECT 2, 1, kind, eligible_ms, paused, CASE WHEN holder IS NULL THEN 0 ELSE 1 END, scope FROM identsync.task_slot WITH (NOLOCK) WHERE scope IN (@s1_scope, 0) AND kind<>'seat' AND (scope=@s1_scope OR (paused=0 AND eligible_ms<@now-2*@s1_lease));
IF EXISTS (SELECT 1 FROM identsync.task_slot WHERE kind='seat' AND scope=@s1_scope AND ((holder=@client OR holder IS NULL OR (eligible_ms<=@now OR stamp_ms>@now+@s1_lease) OR EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s1_scope AND p.client=holder AND p.role>0)) AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s1_scope AND p.role=0 AND p.seen_ms>@now-@s1_ttl AND p.seen_ms<=@now+@s1_ttl)))))
 UPDATE identsync.task_slot WITH (ROWLOCK) SET fence=fence+CASE WHEN holder=@client THEN 0 ELSE 1 END,
  started_ms=CASE WHEN holder=@client THEN started_ms ELSE @now END,
  holder=@client, eligible_ms=@now+@s1_lease, stamp_ms=@now
  OUTPUT 0, 1, inserted.fence, inserted.eligible_ms INTO @won (part, item, fence, eligible_ms)
  WHERE kind='seat' AND scope=@s1_scope AND ((holder=@client OR holder IS NULL OR (eligible_ms<=@now OR stamp_ms>@now+@s1_lease) OR EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s1_scope AND p.client=holder AND p.role>0)) AND (0=0 OR (0=1 AND NOT EXISTS (SELECT 1 FROM identsync.presence p WHERE p.scope=@s1_scope AND p.role=0 AND p.seen_ms>@now-@s1_ttl AND p.seen_ms<=@now+@s1_ttl))));
IF EXISTS (SELECT 1 FROM @won WHERE part=0 AND item=1)
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4) SELECT 0, 1, @client, 1, fence, eligible_ms, @now FROM @won WHERE part=0 AND item=1;
ELSE
 INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5)
  SELECT 0, 1, COALESCE(holder, ''), 0, fence, eligible_ms, @now, (SELECT COUNT(*) FROM identsync.presence p WHERE p.scope=@s1_scope AND p.client<>@client AND p.seen_ms>@now-72*@s1_lease)
   FROM identsync.task_slot WHERE kind='seat' AND scope=@s1_scope;
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
INSERT INTO @out (tag, item, name, v1, v2, v3, v4, v5)
  SELECT 0, 1, COALESCE(holder, ''), 0, fence, eligible_ms, @now, (SELECT COUNT(*) FROM identsync.presence p WHERE p.scope=@s1_scope AND p.client<>@client AND p.seen_ms>@now-72*@s1_lease)
   FROM identsync.task_slot WITH (NOLOCK) WHERE kind='seat' AND scope=@s1_scope;
END CATCH;
SELECT * FROM @out;
