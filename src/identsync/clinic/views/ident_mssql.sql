-- identsync: представления над базой IDENT (Microsoft SQL Server 2016 SP1 и новее).
--
-- Прочитайте этот текст целиком и только потом выполните его. Он ничего не меняет в таблицах IDENT:
-- создаёт шесть представлений, из которых identsync читает расписание, врачей и пациентов.
--
-- Где создавать. Лучше в отдельной базе рядом с базой IDENT: обновления IDENT её не трогают. Тогда замените
-- dbo. на ИмяБазыIDENT.dbo. в разделах FROM и JOIN. Логину identsync хватает права SELECT на представления clinic_*
-- и, если базы разные, на перечисленные ниже таблицы.
--
-- Имена таблиц взяты из открытых запросов к IDENT, официального описания базы нет, и версии отличаются.
-- Строки с пометкой "проверьте" сверьте со своей базой. Потом выполните: identsync clinic check
--
-- Время: целые минуты местного времени филиала с 1970-01-01 00:00.
-- Глубина: расписание старше 31 дня не читается, чтобы не просматривать всю историю клиники.

-- Ячейки расписания (вспомогательное представление).
-- Проверьте: TimeStartValue и TimeEndValue имеют тип time; IsHeaderCell = 1 у строк-заголовков;
-- у кресла есть Archive (1 = в архиве).
CREATE OR ALTER VIEW clinic_cell AS
SELECT
    CAST(ct.ID AS bigint) AS cell_id,
    CAST(a.ID_OwnCompanies AS int) AS branch_id,
    CAST(ct.ID_Staffs AS int) AS doctor_id,
    CAST(DATEDIFF(DAY, '19700101', ct.DateOfWork) AS bigint) * 1440
    + DATEPART(HOUR, t.TimeStartValue) * 60 + DATEPART(MINUTE, t.TimeStartValue) AS start_minute,
    CAST(DATEDIFF(DAY, '19700101', ct.DateOfWork) AS bigint) * 1440
    + DATEPART(HOUR, t.TimeEndValue) * 60 + DATEPART(MINUTE, t.TimeEndValue)
    + CASE WHEN t.TimeEndValue <= t.TimeStartValue THEN 1440 ELSE 0 END AS end_minute,
    CASE WHEN ct.IsWorkingTime = 1 AND a.Archive = 0 THEN 1 ELSE 0 END AS is_working,
    ct.ID_Receptions AS reception_id,
    ct.ID_TimeReserves AS reserve_id
FROM dbo.CurrentTimeTable AS ct
INNER JOIN dbo.Times AS t ON ct.ID_Times = t.ID
INNER JOIN dbo.Armchairs AS a ON ct.ID_Armchairs = a.ID
WHERE
    ct.IsHeaderCell = 0
    AND ct.ID_Staffs IS NOT NULL
    AND ct.DateOfWork >= DATEADD(DAY, -31, CAST(GETDATE() AS date));
GO

-- Филиалы: организации, у которых есть хотя бы одно кресло не в архиве.
-- Проверьте телефон и адрес филиала для сообщений пациентам: впишите их так же, как пояса. Пока их нет, они пусты (NULL).
-- Проверьте часовые пояса: в базе IDENT их нет. Если филиалы в разных поясах, перечислите их, например
--     CASE oc.ID WHEN 2 THEN N'Asia/Yekaterinburg' WHEN 3 THEN N'Europe/Kaliningrad' ELSE N'Europe/Moscow' END
CREATE OR ALTER VIEW clinic_branch AS
SELECT
    CAST(oc.ID AS int) AS branch_id,
    CAST(COALESCE(NULLIF(oc.BranchName, N''), oc.Name, N'') AS nvarchar(200)) AS name,
    CAST(N'Europe/Moscow' AS nvarchar(64)) AS time_zone,
    CAST(NULL AS nvarchar(60)) AS phone,
    CAST(NULL AS nvarchar(400)) AS address
FROM dbo.OwnCompanies AS oc
WHERE EXISTS (SELECT 1 FROM dbo.Armchairs AS a WHERE a.ID_OwnCompanies = oc.ID AND a.Archive = 0);
GO

-- Врачи: сотрудники не в архиве, у которых в филиале есть рабочее время.
-- Проверьте: StaffsView.ID это тот же номер, что CurrentTimeTable.ID_Staffs и Items.ID_Staffs; таблицы Items и
-- ProfessionNames хранят специальность. Если их нет, уберите соединение и верните N'' AS speciality.
CREATE OR ALTER VIEW clinic_staff AS
SELECT
    seat.branch_id,
    seat.doctor_id,
    CAST(
        LTRIM(RTRIM(CONCAT(s.Surname, N' ', s.Name, N' ', s.Patronymic))) AS nvarchar(200)
    ) AS name,
    CAST(COALESCE(job.title, N'') AS nvarchar(200)) AS speciality
FROM (SELECT DISTINCT c.branch_id, c.doctor_id FROM clinic_cell AS c WHERE c.is_working = 1) AS seat
INNER JOIN dbo.StaffsView AS s ON seat.doctor_id = s.ID
LEFT JOIN (
    SELECT
        i.ID_Staffs AS doctor_id,
        MIN(pn.NameProfession) AS title
    FROM dbo.Items AS i
    INNER JOIN dbo.ProfessionNames AS pn ON i.ID_ProfessionNames = pn.ID
    GROUP BY i.ID_Staffs
) AS job ON seat.doctor_id = job.doctor_id
WHERE s.Archive = 0;
GO

-- Рабочее время: рабочие ячейки врача, склеенные в непрерывные смены. Перерыв = промежуток между сменами.
-- Ячейки двух кресел, идущие одновременно, дают одну смену.
CREATE OR ALTER VIEW clinic_shift AS
WITH marked AS (
    SELECT
        c.branch_id,
        c.doctor_id,
        c.start_minute,
        c.end_minute,
        CASE
            WHEN c.start_minute <= MAX(c.end_minute) OVER (
                PARTITION BY c.branch_id, c.doctor_id ORDER BY c.start_minute, c.end_minute
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) THEN 0
            ELSE 1
        END AS opens
    FROM clinic_cell AS c
    WHERE c.is_working = 1
),

islands AS (
    SELECT
        m.branch_id,
        m.doctor_id,
        m.start_minute,
        m.end_minute,
        SUM(m.opens) OVER (
            PARTITION BY m.branch_id, m.doctor_id ORDER BY m.start_minute, m.end_minute
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS island
    FROM marked AS m
)

SELECT
    i.branch_id,
    i.doctor_id,
    MIN(i.start_minute) AS start_minute,
    CAST(MAX(i.end_minute) - MIN(i.start_minute) AS int) AS length_minutes
FROM islands AS i
GROUP BY i.branch_id, i.doctor_id, i.island;
GO

-- Занятое время: неотменённые приёмы и все прочие занятые ячейки (резервы времени; ячейка, которую занимает приём,
-- записанный на другое время или на другого врача). Поэтому ячейка, занятая в IDENT, никогда не уйдёт наружу
-- свободной.
-- Проверьте: PlanStart, PlanEnd, ReceptionCanceled (NULL = не отменён), DateTimeChanged, ID_Staffs, ID_Armchairs.
-- Проверьте пояс сервера: 'Russian Standard Time' это Москва (список: SELECT name FROM sys.time_zone_info).
-- Услуги, кабинеты и примечания уходят в календари врачей, только если это разрешено там. Пока вы их не вписали, они
-- пусты (NULL). Проверьте: название кресла (например a.Name) подойдёт как room; где хранятся услуга и примечание.
CREATE OR ALTER VIEW clinic_appointment AS
SELECT
    CAST(r.ID AS bigint) AS appointment_id,
    CAST(a.ID_OwnCompanies AS int) AS branch_id,
    CAST(r.ID_Staffs AS int) AS doctor_id,
    CAST(r.ID_Patients AS bigint) AS patient_id,
    CAST(0 AS smallint) AS kind,
    CAST(DATEDIFF(MINUTE, '19700101', r.PlanStart) AS bigint) AS start_minute,
    CAST(DATEDIFF(MINUTE, r.PlanStart, DATEADD(SECOND, 59, r.PlanEnd)) AS int) AS length_minutes,
    DATEDIFF_BIG(
        MILLISECOND, '19700101', CAST(r.DateTimeChanged AS datetime2) AT TIME ZONE 'Russian Standard Time'
    ) AS changed_ms,
    CAST(NULL AS nvarchar(200)) AS service,
    CAST(NULL AS nvarchar(100)) AS room,
    CAST(NULL AS nvarchar(1000)) AS comment
FROM dbo.Receptions AS r
INNER JOIN dbo.Armchairs AS a ON r.ID_Armchairs = a.ID
WHERE
    r.ReceptionCanceled IS NULL
    AND r.ID_Staffs IS NOT NULL
    AND r.PlanEnd > r.PlanStart
    AND r.PlanStart >= DATEADD(DAY, -31, CAST(GETDATE() AS date))
UNION ALL
SELECT
    CAST(1000000000000 AS bigint) + c.cell_id AS appointment_id,
    c.branch_id,
    c.doctor_id,
    CAST(NULL AS bigint) AS patient_id,
    CAST(1 AS smallint) AS kind,
    c.start_minute,
    CAST(c.end_minute - c.start_minute AS int) AS length_minutes,
    CAST(NULL AS bigint) AS changed_ms,
    CAST(NULL AS nvarchar(200)) AS service,
    CAST(NULL AS nvarchar(100)) AS room,
    CAST(NULL AS nvarchar(1000)) AS comment
FROM clinic_cell AS c
WHERE
    c.reserve_id IS NOT NULL
    OR (
        c.reception_id IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM dbo.Receptions AS r
            INNER JOIN dbo.Armchairs AS a ON r.ID_Armchairs = a.ID
            WHERE
                r.ID = c.reception_id
                AND r.ReceptionCanceled IS NULL
                AND r.ID_Staffs = c.doctor_id
                AND a.ID_OwnCompanies = c.branch_id
                AND DATEDIFF(MINUTE, '19700101', r.PlanStart) <= c.start_minute
                AND DATEDIFF(MINUTE, '19700101', r.PlanEnd) >= c.end_minute
        )
    );
GO

-- Пациенты. Проверьте: Persons.MobilePhone; где хранятся почта, адрес и дата рождения. Пока вы их не вписали, они пусты
-- (NULL), и письма некому отправлять, а рекламу нельзя отобрать по возрасту. Дата рождения нужна днями с 1970-01-01:
-- DATEDIFF(DAY, '19700101', дата).
-- Пол и оплаты (копейки за всё время) нужны только карте. Первый и последний приём ищутся по всем неотменённым приёмам. Проверьте: Receptions.ID_Patients это номер из Patients.ID_Persons.
CREATE OR ALTER VIEW clinic_patient AS
SELECT
    CAST(pat.ID_Persons AS bigint) AS patient_id,
    CAST(COALESCE(p.Surname, N'') AS nvarchar(100)) AS surname,
    CAST(COALESCE(p.Name, N'') AS nvarchar(100)) AS name,
    CAST(COALESCE(p.Patronymic, N'') AS nvarchar(100)) AS patronymic,
    CAST(p.MobilePhone AS nvarchar(60)) AS phone,
    CAST(
        CASE WHEN LEN(d.digits) >= 10 AND d.digits NOT LIKE '%[^0-9]%' THEN RIGHT(d.digits, 10) END AS nvarchar(10)
    ) AS phone_key,
    CAST(NULL AS nvarchar(200)) AS email,
    CAST(NULL AS nvarchar(400)) AS address,
    CAST(NULL AS int) AS branch_id,
    CAST(NULL AS int) AS born,
    (
        SELECT DATEDIFF(DAY, '19700101', MAX(r.PlanStart))
        FROM dbo.Receptions AS r
        WHERE
            r.ID_Patients = pat.ID_Persons
            AND r.ReceptionCanceled IS NULL
            AND r.PlanStart < CAST(GETDATE() AS date)
    ) AS last_visit,
    (
        SELECT DATEDIFF(DAY, '19700101', MIN(r.PlanStart))
        FROM dbo.Receptions AS r
        WHERE
            r.ID_Patients = pat.ID_Persons
            AND r.ReceptionCanceled IS NULL
            AND r.PlanStart < CAST(GETDATE() AS date)
    ) AS first_visit,
    CAST(NULL AS smallint) AS sex,
    CAST(NULL AS bigint) AS revenue,
    CAST(NULL AS bigint) AS debt
FROM dbo.Patients AS pat
INNER JOIN dbo.Persons AS p ON pat.ID_Persons = p.ID
CROSS APPLY (
    SELECT
        REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(
            p.MobilePhone, ' ', ''
        ), NCHAR(160), ''), '-', ''), '(', ''), ')', ''), '+', '') AS digits
) AS d;
GO
