SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DECLARE @now bigint, @channel varchar(64), @scope bigint, @taken bigint, @used bigint;
SET @channel=?; SET @scope=?; SET @taken=?; SET @used=?;
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
SET LOCK_TIMEOUT 2000;
DECLARE @r TABLE (tat_ms bigint);
UPDATE identsync.rate_slot WITH (ROWLOCK) SET tat_ms=@used OUTPUT inserted.tat_ms INTO @r WHERE channel=@channel AND scope=@scope AND tat_ms=@taken;
SELECT 1 FROM @r;
