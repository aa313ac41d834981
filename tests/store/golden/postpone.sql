SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DECLARE @now bigint, @channel varchar(64), @scope bigint, @after bigint;
SET @channel=?; SET @scope=?; SET @after=?;
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
SET LOCK_TIMEOUT 2000;
IF NOT EXISTS (SELECT 1 FROM identsync.rate_slot WHERE channel=@channel AND scope=@scope)
  INSERT INTO identsync.rate_slot (channel, scope, tat_ms, stamp_ms) VALUES (@channel, @scope, 0, 0);
UPDATE identsync.rate_slot WITH (ROWLOCK) SET tat_ms=(CASE WHEN (CASE WHEN stamp_ms>@now+10000 THEN tat_ms-stamp_ms+@now ELSE tat_ms END)<@now+@after THEN @now+@after ELSE (CASE WHEN stamp_ms>@now+10000 THEN tat_ms-stamp_ms+@now ELSE tat_ms END) END), stamp_ms=@now WHERE channel=@channel AND scope=@scope;
