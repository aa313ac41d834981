-- identsync: представления над копией таблиц IDENT в PostgreSQL (сам IDENT работает на SQL Server).
--
-- Прочитайте этот текст целиком и только потом выполните его. Он ничего не меняет в таблицах, создаёт шесть
-- представлений, из которых identsync читает расписание, врачей и пациентов. Пользователю identsync хватает права
-- SELECT на представления clinic_*.
--
-- Имена таблиц взяты из открытых запросов к IDENT, официального описания базы нет, и версии отличаются.
-- Строки с пометкой "проверьте" сверьте со своей базой. Потом выполните: identsync clinic check
--
-- Время: целые минуты местного времени филиала с 1970-01-01 00:00.
-- Глубина: расписание старше 31 дня не читается, чтобы не просматривать всю историю клиники.

-- Ячейки расписания (вспомогательное представление).
-- Проверьте: DateOfWork имеет тип date или timestamp, TimeStartValue и TimeEndValue - тип time; признаки - boolean
-- (если это числа 0 и 1, сравнивайте с 1 и 0); у кресла есть Archive.
CREATE OR REPLACE VIEW clinic_cell AS
SELECT
    ct."ID"::bigint AS cell_id,
    a."ID_OwnCompanies"::integer AS branch_id,
    ct."ID_Staffs"::integer AS doctor_id,
    (ct."DateOfWork"::date - date '1970-01-01')::bigint * 1440
    + (extract(epoch FROM t."TimeStartValue") / 60)::bigint AS start_minute,
    (ct."DateOfWork"::date - date '1970-01-01')::bigint * 1440
    + (extract(epoch FROM t."TimeEndValue") / 60)::bigint
    + CASE WHEN t."TimeEndValue" <= t."TimeStartValue" THEN 1440 ELSE 0 END AS end_minute,
    ct."IsWorkingTime" AND NOT a."Archive" AS is_working,
    ct."ID_Receptions" AS reception_id,
    ct."ID_TimeReserves" AS reserve_id
FROM "CurrentTimeTable" AS ct
INNER JOIN "Times" AS t ON ct."ID_Times" = t."ID"
INNER JOIN "Armchairs" AS a ON ct."ID_Armchairs" = a."ID"
WHERE
    NOT ct."IsHeaderCell"
    AND ct."ID_Staffs" IS NOT NULL
    AND ct."DateOfWork" >= current_date - 31;

-- Филиалы: организации, у которых есть хотя бы одно кресло не в архиве.
-- Проверьте телефон и адрес филиала для сообщений пациентам: впишите их так же, как пояса. Пока их нет, они пусты (NULL).
-- Проверьте часовые пояса: в базе IDENT их нет. Если филиалы в разных поясах, перечислите их, например
--     CASE oc."ID" WHEN 2 THEN 'Asia/Yekaterinburg' WHEN 3 THEN 'Europe/Kaliningrad' ELSE 'Europe/Moscow' END
CREATE OR REPLACE VIEW clinic_branch AS
SELECT
    oc."ID"::integer AS branch_id,
    coalesce(nullif(oc."BranchName", ''), oc."Name", '')::varchar(200) AS name,
    'Europe/Moscow'::varchar(64) AS time_zone,
    NULL::varchar(60) AS phone,
    NULL::varchar(400) AS address
FROM "OwnCompanies" AS oc
WHERE EXISTS (SELECT 1 FROM "Armchairs" AS a WHERE a."ID_OwnCompanies" = oc."ID" AND NOT a."Archive");

-- Врачи: сотрудники не в архиве, у которых в филиале есть рабочее время.
-- Проверьте: StaffsView.ID это тот же номер, что CurrentTimeTable.ID_Staffs и Items.ID_Staffs; таблицы Items и
-- ProfessionNames хранят специальность. Если их нет, уберите соединение и верните '' AS speciality.
CREATE OR REPLACE VIEW clinic_staff AS
SELECT
    seat.branch_id,
    seat.doctor_id,
    trim(concat(s."Surname", ' ', s."Name", ' ', s."Patronymic"))::varchar(200) AS name,
    coalesce(job.title, '')::varchar(200) AS speciality
FROM (SELECT DISTINCT c.branch_id, c.doctor_id FROM clinic_cell AS c WHERE c.is_working) AS seat
INNER JOIN "StaffsView" AS s ON seat.doctor_id = s."ID"
LEFT JOIN (
    SELECT
        i."ID_Staffs" AS doctor_id,
        min(pn."NameProfession") AS title
    FROM "Items" AS i
    INNER JOIN "ProfessionNames" AS pn ON i."ID_ProfessionNames" = pn."ID"
    GROUP BY i."ID_Staffs"
) AS job ON seat.doctor_id = job.doctor_id
WHERE NOT s."Archive";

-- Рабочее время: рабочие ячейки врача, склеенные в непрерывные смены. Перерыв = промежуток между сменами.
-- Ячейки двух кресел, идущие одновременно, дают одну смену.
CREATE OR REPLACE VIEW clinic_shift AS
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
    WHERE c.is_working
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
    (max(i.end_minute) - min(i.start_minute))::integer AS length_minutes
FROM islands AS i
GROUP BY i.branch_id, i.doctor_id, i.island;

-- Занятое время: неотменённые приёмы и все прочие занятые ячейки (резервы времени; ячейка, которую занимает приём,
-- записанный на другое время или на другого врача). Поэтому ячейка, занятая в IDENT, никогда не уйдёт наружу
-- свободной.
-- Проверьте: PlanStart, PlanEnd (timestamp без пояса), ReceptionCanceled (NULL = не отменён), DateTimeChanged,
-- ID_Staffs, ID_Armchairs. Проверьте пояс сервера IDENT: здесь Europe/Moscow.
-- Услуги, кабинеты и примечания уходят в календари врачей, только если это разрешено там. Пока вы их не вписали, они
-- пусты (NULL). Проверьте: название кресла (например a."Name") подойдёт как room; где хранятся услуга и примечание.
CREATE OR REPLACE VIEW clinic_appointment AS
SELECT
    r."ID"::bigint AS appointment_id,
    a."ID_OwnCompanies"::integer AS branch_id,
    r."ID_Staffs"::integer AS doctor_id,
    r."ID_Patients"::bigint AS patient_id,
    0::smallint AS kind,
    floor(extract(epoch FROM r."PlanStart") / 60)::bigint AS start_minute,
    (
        ceil(extract(epoch FROM r."PlanEnd") / 60) - floor(extract(epoch FROM r."PlanStart") / 60)
    )::integer AS length_minutes,
    floor(extract(epoch FROM r."DateTimeChanged" AT TIME ZONE 'Europe/Moscow') * 1000)::bigint AS changed_ms,
    NULL::varchar(200) AS service,
    NULL::varchar(100) AS room,
    NULL::varchar(1000) AS comment
FROM "Receptions" AS r
INNER JOIN "Armchairs" AS a ON r."ID_Armchairs" = a."ID"
WHERE
    r."ReceptionCanceled" IS NULL
    AND r."ID_Staffs" IS NOT NULL
    AND r."PlanEnd" > r."PlanStart"
    AND r."PlanStart" >= current_date - 31
UNION ALL
SELECT
    1000000000000 + c.cell_id AS appointment_id,
    c.branch_id,
    c.doctor_id,
    NULL::bigint AS patient_id,
    1::smallint AS kind,
    c.start_minute,
    (c.end_minute - c.start_minute)::integer AS length_minutes,
    NULL::bigint AS changed_ms,
    NULL::varchar(200) AS service,
    NULL::varchar(100) AS room,
    NULL::varchar(1000) AS comment
FROM clinic_cell AS c
WHERE
    c.reserve_id IS NOT NULL
    OR (
        c.reception_id IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM "Receptions" AS r
            INNER JOIN "Armchairs" AS a ON r."ID_Armchairs" = a."ID"
            WHERE
                r."ID" = c.reception_id
                AND r."ReceptionCanceled" IS NULL
                AND r."ID_Staffs" = c.doctor_id
                AND a."ID_OwnCompanies" = c.branch_id
                AND extract(epoch FROM r."PlanStart") <= c.start_minute * 60
                AND extract(epoch FROM r."PlanEnd") >= c.end_minute * 60
        )
    );

-- Пациенты. Проверьте: Persons.MobilePhone; где хранятся почта, адрес и дата рождения. Пока вы их не вписали, они пусты
-- (NULL), и письма некому отправлять, а рекламу нельзя отобрать по возрасту. Дата рождения нужна днями с 1970-01-01:
-- дата::date - date '1970-01-01'.
-- Пол и оплаты (копейки за всё время) нужны только карте. Первый и последний приём ищутся по всем неотменённым приёмам. Проверьте: Receptions.ID_Patients это номер из Patients.ID_Persons.
CREATE OR REPLACE VIEW clinic_patient AS
SELECT
    pat."ID_Persons"::bigint AS patient_id,
    coalesce(p."Surname", '')::varchar(100) AS surname,
    coalesce(p."Name", '')::varchar(100) AS name,
    coalesce(p."Patronymic", '')::varchar(100) AS patronymic,
    p."MobilePhone"::varchar(60) AS phone,
    substring(translate(p."MobilePhone", ' -()+' || chr(160), '') FROM '^\d*(\d{10})$')::varchar(10) AS phone_key,
    NULL::varchar(200) AS email,
    NULL::varchar(400) AS address,
    NULL::integer AS branch_id,
    NULL::integer AS born,
    (
        SELECT max(r."PlanStart")::date - date '1970-01-01'
        FROM "Receptions" AS r
        WHERE r."ID_Patients" = pat."ID_Persons" AND r."ReceptionCanceled" IS NULL AND r."PlanStart" < current_date
    ) AS last_visit,
    (
        SELECT min(r."PlanStart")::date - date '1970-01-01'
        FROM "Receptions" AS r
        WHERE r."ID_Patients" = pat."ID_Persons" AND r."ReceptionCanceled" IS NULL AND r."PlanStart" < current_date
    ) AS first_visit,
    NULL::smallint AS sex,
    NULL::bigint AS revenue,
    NULL::bigint AS debt
FROM "Patients" AS pat
INNER JOIN "Persons" AS p ON pat."ID_Persons" = p."ID";
