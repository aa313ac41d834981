"""IDENT's own tables, as far as the views of ``identsync clinic views`` read them."""

TABLES = {
    "OwnCompanies": "ID integer, BranchName varchar(99), Name varchar(99)",
    "Armchairs": "ID integer, ID_OwnCompanies integer, Archive boolean",
    "StaffsView": "ID integer, Surname varchar(99), Name varchar(99), Patronymic varchar(99), Archive boolean",
    "Items": "ID integer, ID_Staffs integer, ID_ProfessionNames integer",
    "ProfessionNames": "ID integer, NameProfession varchar(99)",
    "Times": "ID integer, TimeStartValue time, TimeEndValue time",
    "CurrentTimeTable": "ID integer, ID_Staffs integer, ID_Armchairs integer, ID_Times integer, DateOfWork date,"
    " IsWorkingTime boolean, IsHeaderCell boolean, ID_Receptions integer, ID_TimeReserves integer",
    "Receptions": "ID integer, ID_Patients integer, ID_Staffs integer, ID_Armchairs integer, PlanStart timestamp,"
    " PlanEnd timestamp, ReceptionCanceled timestamp, DateTimeChanged timestamp",
    "Patients": "ID_Persons integer",
    "Persons": "ID integer, Surname varchar(99), Name varchar(99), Patronymic varchar(99), MobilePhone varchar(99)",
}
