-- identsync: представления над копией таблиц IDENT в SQLite (сам IDENT работает на SQL Server).
--
-- Прочитайте этот текст целиком и только потом выполните его. Он ничего не меняет в таблицах, создаёт шесть
-- представлений, из которых identsync читает расписание, врачей и пациентов.
--
-- Имена таблиц взяты из открытых запросов к IDENT, официального описания базы нет, и версии отличаются.
-- Строки с пометкой "проверьте" сверьте со своей базой. Потом выполните: identsync clinic check
--
-- Время: целые минуты местного времени филиала с 1970-01-01 00:00.
-- Глубина: расписание старше 31 дня не читается, чтобы не просматривать всю историю клиники.

-- Ячейки расписания (вспомогательное представление).
-- Проверьте: даты и время хранятся строками ISO ('2026-05-12', '09:15:00', '2026-05-12 09:15:00'), признаки - 0 и 1;
-- у кресла есть Archive.
DROP VIEW IF EXISTS clinic_cell;
CREATE VIEW clinic_cell AS
SELECT
    ct.ID AS cell_id,
    a.ID_OwnCompanies AS branch_id,
    ct.ID_Staffs AS doctor_id,
    strftime('%s', date(ct.DateOfWork)) / 60
    + strftime('%H', t.TimeStartValue) * 60 + strftime('%M', t.TimeStartValue) AS start_minute,
    strftime('%s', date(ct.DateOfWork)) / 60
    + strftime('%H', t.TimeEndValue) * 60 + strftime('%M', t.TimeEndValue)
    + CASE WHEN t.TimeEndValue <= t.TimeStartValue THEN 1440 ELSE 0 END AS end_minute,
    ct.IsWorkingTime = 1 AND a.Archive = 0 AS is_working,
    ct.ID_Receptions AS reception_id,
    ct.ID_TimeReserves AS reserve_id
FROM CurrentTimeTable AS ct
INNER JOIN Times AS t ON ct.ID_Times = t.ID
INNER JOIN Armchairs AS a ON ct.ID_Armchairs = a.ID
WHERE
    ct.IsHeaderCell = 0
    AND ct.ID_Staffs IS NOT NULL
    AND ct.DateOfWork >= date('now', '-31 days');

-- Филиалы: организации, у которых есть хотя бы одно кресло не в архиве.
-- Проверьте телефон и адрес филиала для сообщений пациентам: впишите их так же, как пояса. Пока их нет, они пусты (NULL).
-- Проверьте часовые пояса: в базе IDENT их нет. Если филиалы в разных поясах, перечислите их, например
--     CASE oc.ID WHEN 2 THEN 'Asia/Yekaterinburg' WHEN 3 THEN 'Europe/Kaliningrad' ELSE 'Europe/Moscow' END
DROP VIEW IF EXISTS clinic_branch;
CREATE VIEW clinic_branch AS
SELECT
    oc.ID AS branch_id,
    coalesce(nullif(oc.BranchName, ''), oc.Name, '') AS name,
    'Europe/Moscow' AS time_zone,
    NULL AS phone,
    NULL AS address
FROM OwnCompanies AS oc
WHERE EXISTS (SELECT 1 FROM Armchairs AS a WHERE a.ID_OwnCompanies = oc.ID AND a.Archive = 0);

-- Врачи: сотрудники не в архиве, у которых в филиале есть рабочее время.
-- Проверьте: StaffsView.ID это тот же номер, что CurrentTimeTable.ID_Staffs и Items.ID_Staffs; таблицы Items и
-- ProfessionNames хранят специальность. Если их нет, уберите соединение и верните '' AS speciality.
DROP VIEW IF EXISTS clinic_staff;
CREATE VIEW clinic_staff AS
SELECT
    seat.branch_id,
    seat.doctor_id,
    trim(coalesce(s.Surname, '') || ' ' || coalesce(s.Name, '') || ' ' || coalesce(s.Patronymic, '')) AS name,
    coalesce(job.title, '') AS speciality
FROM (SELECT DISTINCT c.branch_id, c.doctor_id FROM clinic_cell AS c WHERE c.is_working = 1) AS seat
INNER JOIN StaffsView AS s ON seat.doctor_id = s.ID
LEFT JOIN (
    SELECT
        i.ID_Staffs AS doctor_id,
        min(pn.NameProfession) AS title
    FROM Items AS i
    INNER JOIN ProfessionNames AS pn ON i.ID_ProfessionNames = pn.ID
    GROUP BY i.ID_Staffs
) AS job ON seat.doctor_id = job.doctor_id
WHERE s.Archive = 0;

-- Рабочее время: рабочие ячейки врача, склеенные в непрерывные смены. Перерыв = промежуток между сменами.
-- Ячейки двух кресел, идущие одновременно, дают одну смену.
DROP VIEW IF EXISTS clinic_shift;
CREATE VIEW clinic_shift AS
WITH marked AS (
    SELECT
        c.branch_id,
        c.doctor_id,
        c.start_minute,
        c.end_minute,
        CASE
            WHEN c.start_minute <= max(c.end_minute) OVER (
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
        sum(m.opens) OVER (
            PARTITION BY m.branch_id, m.doctor_id ORDER BY m.start_minute, m.end_minute
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS island
    FROM marked AS m
)

SELECT
    i.branch_id,
    i.doctor_id,
    min(i.start_minute) AS start_minute,
    max(i.end_minute) - min(i.start_minute) AS length_minutes
FROM islands AS i
GROUP BY i.branch_id, i.doctor_id, i.island;

-- Занятое время: неотменённые приёмы и все прочие занятые ячейки (резервы времени; ячейка, которую занимает приём,
-- записанный на другое время или на другого врача). Поэтому ячейка, занятая в IDENT, никогда не уйдёт наружу
-- свободной.
-- Проверьте: PlanStart, PlanEnd, ReceptionCanceled (NULL = не отменён), DateTimeChanged, ID_Staffs, ID_Armchairs.
-- Проверьте пояс сервера IDENT: здесь Москва, '-3 hours'.
-- Услуги, кабинеты и примечания уходят в календари врачей, только если это разрешено там. Пока вы их не вписали, они
-- пусты (NULL). Проверьте: название кресла (например a.Name) подойдёт как room; где хранятся услуга и примечание.
DROP VIEW IF EXISTS clinic_appointment;
CREATE VIEW clinic_appointment AS
SELECT
    r.ID AS appointment_id,
    a.ID_OwnCompanies AS branch_id,
    r.ID_Staffs AS doctor_id,
    r.ID_Patients AS patient_id,
    0 AS kind,
    strftime('%s', r.PlanStart) / 60 AS start_minute,
    (strftime('%s', r.PlanEnd) + 59) / 60 - strftime('%s', r.PlanStart) / 60 AS length_minutes,
    strftime('%s', r.DateTimeChanged, '-3 hours') * 1000 AS changed_ms,
    NULL AS service,
    NULL AS room,
    NULL AS comment
FROM Receptions AS r
INNER JOIN Armchairs AS a ON r.ID_Armchairs = a.ID
WHERE
    r.ReceptionCanceled IS NULL
    AND r.ID_Staffs IS NOT NULL
    AND r.PlanEnd > r.PlanStart
    AND r.PlanStart >= date('now', '-31 days')
UNION ALL
SELECT
    1000000000000 + c.cell_id AS appointment_id,
    c.branch_id,
    c.doctor_id,
    NULL AS patient_id,
    1 AS kind,
    c.start_minute,
    c.end_minute - c.start_minute AS length_minutes,
    NULL AS changed_ms,
    NULL AS service,
    NULL AS room,
    NULL AS comment
FROM clinic_cell AS c
WHERE
    c.reserve_id IS NOT NULL
    OR (
        c.reception_id IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM Receptions AS r
            INNER JOIN Armchairs AS a ON r.ID_Armchairs = a.ID
            WHERE
                r.ID = c.reception_id
                AND r.ReceptionCanceled IS NULL
                AND r.ID_Staffs = c.doctor_id
                AND a.ID_OwnCompanies = c.branch_id
                AND CAST(strftime('%s', r.PlanStart) AS integer) <= c.start_minute * 60
                AND CAST(strftime('%s', r.PlanEnd) AS integer) >= c.end_minute * 60
        )
    );

-- Пациенты. Проверьте: Persons.MobilePhone; где хранятся почта, адрес и дата рождения. Пока вы их не вписали, они пусты
-- (NULL), и письма некому отправлять, а рекламу нельзя отобрать по возрасту. Дата рождения нужна днями с 1970-01-01:
-- CAST(julianday(дата) - 2440587.5 AS integer).
-- Пол и оплаты (копейки за всё время) нужны только карте. Первый и последний приём ищутся по всем неотменённым приёмам. Проверьте: Receptions.ID_Patients это номер из Patients.ID_Persons.
DROP VIEW IF EXISTS clinic_patient;
CREATE VIEW clinic_patient AS
SELECT
    d.patient_id,
    d.surname,
    d.name,
    d.patronymic,
    d.phone,
    CASE
        WHEN length(d.digits) >= 10 AND d.digits NOT GLOB '*[^0-9]*' THEN substr(d.digits, -10)
    END AS phone_key,
    NULL AS email,
    NULL AS address,
    NULL AS branch_id,
    NULL AS born,
    (
        SELECT CAST(max(julianday(date(r.PlanStart))) - 2440587.5 AS integer)
        FROM Receptions AS r
        WHERE r.ID_Patients = d.patient_id AND r.ReceptionCanceled IS NULL AND r.PlanStart < date('now')
    ) AS last_visit,
    (
        SELECT CAST(min(julianday(date(r.PlanStart))) - 2440587.5 AS integer)
        FROM Receptions AS r
        WHERE r.ID_Patients = d.patient_id AND r.ReceptionCanceled IS NULL AND r.PlanStart < date('now')
    ) AS first_visit,
    NULL AS sex,
    NULL AS revenue,
    NULL AS debt
FROM (
    SELECT
        pat.ID_Persons AS patient_id,
        coalesce(p.Surname, '') AS surname,
        coalesce(p.Name, '') AS name,
        coalesce(p.Patronymic, '') AS patronymic,
        p.MobilePhone AS phone,
        replace(replace(replace(replace(replace(replace(
            p.MobilePhone, ' ', ''
        ), char(160), ''), '-', ''), '(', ''), ')', ''), '+', '') AS digits
    FROM Patients AS pat
    INNER JOIN Persons AS p ON pat.ID_Persons = p.ID
) AS d;
