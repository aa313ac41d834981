SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DECLARE @now bigint, @scope bigint, @ttl bigint;
SET @scope=?; SET @ttl=?;
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
SET LOCK_TIMEOUT 2000;
DELETE FROM identsync.presence WHERE scope=@scope AND (seen_ms<@now-20*@ttl OR seen_ms>@now+20*@ttl);
