SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DECLARE @now bigint, @scope bigint, @client varchar(64);
SET @scope=?; SET @client=?;
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
SET LOCK_TIMEOUT 2000;
UPDATE identsync.task_slot WITH (ROWLOCK) SET holder=NULL, eligible_ms=@now, stamp_ms=@now
 WHERE kind='seat' AND scope=@scope AND holder=@client;
DELETE FROM identsync.presence WITH (ROWLOCK) WHERE scope=@scope AND client=@client;
