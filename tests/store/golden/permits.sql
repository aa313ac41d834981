SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DECLARE @now bigint, @channel varchar(64), @scope bigint, @cost bigint, @back bigint, @ahead bigint;
SET @channel=?; SET @scope=?; SET @cost=?; SET @back=?; SET @ahead=?;
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
SET LOCK_TIMEOUT 100;
IF NOT EXISTS (SELECT 1 FROM identsync.rate_slot WHERE channel=@channel AND scope=@scope)
  INSERT INTO identsync.rate_slot (channel, scope, tat_ms, stamp_ms) VALUES (@channel, @scope, 0, 0);
DECLARE @r TABLE (first_ms bigint);
UPDATE identsync.rate_slot WITH (ROWLOCK) SET tat_ms=(CASE WHEN (CASE WHEN stamp_ms>@now+10000 THEN tat_ms-stamp_ms+@now ELSE tat_ms END)<@now-@back THEN @now-@back ELSE (CASE WHEN stamp_ms>@now+10000 THEN tat_ms-stamp_ms+@now ELSE tat_ms END) END)+@cost, stamp_ms=@now OUTPUT inserted.tat_ms-@cost INTO @r
 WHERE channel=@channel AND scope=@scope AND (CASE WHEN (CASE WHEN stamp_ms>@now+10000 THEN tat_ms-stamp_ms+@now ELSE tat_ms END)<@now-@back THEN @now-@back ELSE (CASE WHEN stamp_ms>@now+10000 THEN tat_ms-stamp_ms+@now ELSE tat_ms END) END)<=@now+@ahead;
IF EXISTS (SELECT 1 FROM @r) SELECT 1, first_ms, @now FROM @r;
ELSE SELECT 0, (CASE WHEN (CASE WHEN stamp_ms>@now+10000 THEN tat_ms-stamp_ms+@now ELSE tat_ms END)<@now-@back THEN @now-@back ELSE (CASE WHEN stamp_ms>@now+10000 THEN tat_ms-stamp_ms+@now ELSE tat_ms END) END), @now FROM identsync.rate_slot WHERE channel=@channel AND scope=@scope;
