SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DECLARE @now bigint, @kind varchar(64), @scope bigint, @proto bigint;
SET @kind=?; SET @scope=?; SET @proto=?;
SET @now=DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME());
SET LOCK_TIMEOUT 2000;
INSERT INTO identsync.task_slot (kind, scope, eligible_ms, stamp_ms, min_proto)
 SELECT @kind, @scope, @now, @now, @proto WHERE NOT EXISTS (SELECT 1 FROM identsync.task_slot WHERE kind=@kind AND scope=@scope);
