//! The words around the dates of absence notes, by what they mean. Data only; lower case.

/// What the words before a date make of it; the greater, the more it says of the return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cue {
    Start,
    /// Names the day of return.
    Until,
    /// Names the last day of absence.
    Through,
    Return,
    /// Return if the sentence also says "again".
    From,
}

/// The months, in the forms that dates have.
#[rustfmt::skip]
pub const MONTHS: [&[&str]; 12] = [
    &[
        "january", "jan", "januar", "jänner", "janvier", "janv", "enero", "ene", "gennaio", "gen", "janeiro",
        "januari", "stycznia", "styczeń", "tammikuuta", "tammikuun", "ledna", "leden", "января", "янв", "січня",
        "ocak", "január", "ianuarie", "ιανουαρίου", "януари",
    ],
    &[
        "february", "feb", "februar", "février", "févr", "fevrier", "febrero", "febbraio", "fevereiro", "fev",
        "februari", "lutego", "luty", "helmikuuta", "února", "únor", "февраля", "фев", "лютого", "şubat",
        "február", "februarie", "φεβρουαρίου", "февруари",
    ],
    &[
        "march", "mar", "märz", "mrz", "mars", "marzo", "março", "maart", "mrt", "marca", "marzec", "marts",
        "maaliskuuta", "března", "březen", "марта", "мар", "березня", "mart", "március", "martie", "μαρτίου",
        "март",
    ],
    &[
        "april", "apr", "avril", "avr", "abril", "abr", "aprile", "kwietnia", "kwiecień", "huhtikuuta", "dubna",
        "duben", "апреля", "апр", "квітня", "nisan", "április", "aprilie", "απριλίου", "април",
    ],
    &[
        "may", "mai", "mayo", "maggio", "mag", "maio", "mei", "maja", "maj", "toukokuuta", "května", "květen",
        "мая", "май", "травня", "mayıs", "május", "μαΐου",
    ],
    &[
        "june", "jun", "juni", "juin", "junio", "giugno", "giu", "junho", "czerwca", "czerwiec", "kesäkuuta",
        "června", "červen", "июня", "июн", "червня", "haziran", "június", "iunie", "ιουνίου", "юни",
    ],
    &[
        "july", "jul", "juli", "juillet", "juil", "julio", "luglio", "lug", "julho", "lipca", "lipiec",
        "heinäkuuta", "července", "červenec", "июля", "июл", "липня", "temmuz", "július", "iulie", "ιουλίου",
        "юли",
    ],
    &[
        "august", "aug", "août", "aout", "agosto", "ago", "augustus", "augusti", "sierpnia", "sierpień",
        "elokuuta", "srpna", "srpen", "августа", "авг", "серпня", "ağustos", "augusztus", "αυγούστου", "август",
    ],
    &[
        "september", "sep", "sept", "septembre", "septiembre", "setiembre", "settembre", "set", "setembro",
        "września", "wrzesień", "syyskuuta", "září", "сентября", "сен", "сент", "вересня", "eylül", "szeptember",
        "septembrie", "σεπτεμβρίου", "септември",
    ],
    &[
        "october", "oct", "oktober", "okt", "octobre", "octubre", "ottobre", "ott", "outubro", "out",
        "października", "październik", "lokakuuta", "října", "říjen", "октября", "окт", "жовтня", "ekim",
        "október", "octombrie", "οκτωβρίου", "октомври",
    ],
    &[
        "november", "nov", "novembre", "noviembre", "novembro", "listopada", "marraskuuta", "listopadu", "ноября",
        "ноя", "листопада", "kasım", "noiembrie", "νοεμβρίου", "ноември",
    ],
    &[
        "december", "dec", "dezember", "dez", "décembre", "déc", "decembre", "diciembre", "dic", "dicembre",
        "dezembro", "grudnia", "grudzień", "joulukuuta", "prosince", "prosinec", "декабря", "дек", "грудня",
        "aralık", "decembrie", "δεκεμβρίου", "декември",
    ],
];

/// Words before a date, by what they make of it.
#[rustfmt::skip]
pub const CUES: &[(Cue, &[&str])] = &[
    (
        Cue::Through,
        &[
            "through", "thru", "up to and including", "until and including", "bis einschließlich",
            "bis einschliesslich", "bis einschl.", "bis inkl.", "bis inklusive", "bis incl.", "bis und mit",
            "bis zum einschließlich", "jusqu'au inclus", "t/m", "tot en met", "til og med", "t.o.m.", "t.o.m",
            "till och med", "tom", "до конца", "по", "do włącznie", "do dnia włącznie", "včetně", "inclusive",
        ],
    ),
    (
        Cue::Until,
        &[
            "until", "till", "'til", "til", "bis", "bis zum", "jusqu'au", "jusqu'à", "jusqu'en", "hasta el",
            "hasta", "fino al", "fino a", "fino all'", "sino al", "até", "até ao", "até o", "até dia", "tot", "do",
            "do dnia", "til den", "till den", "до", "до дня", "до:", "έως", "μέχρι", "până pe", "până la", "đến",
            "sampai",
        ],
    ),
    (
        Cue::Return,
        &[
            "back on", "back in the office on", "back at work on", "back", "return on", "returning on",
            "returning", "return to the office on", "return to work on", "return", "in the office on",
            "available again on", "wieder am", "wieder im büro am", "wieder ab", "wieder ab dem", "zurück am",
            "zurück ab", "rückkehr am", "rückkehr", "rückkehr:", "de retour le", "de retour au bureau le",
            "de retour", "retour le", "reviendrai le", "reviens le", "regreso el", "regresaré el", "regreso",
            "regresaré", "volveré el", "vuelvo el", "de vuelta el", "de regreso el", "rientro il", "rientrerò il",
            "rientro", "rientrerò in ufficio il", "tornerò il", "ritorno il", "regresso a", "regresso em",
            "regresso no dia", "regressarei a", "retorno em", "retornarei em", "retornarei no dia",
            "retornarei dia", "retorno dia", "voltarei em", "voltarei dia", "voltarei a", "de volta em",
            "terug op", "terug vanaf", "weer op kantoor op", "weer aanwezig op", "weer aanwezig vanaf",
            "weer bereikbaar vanaf", "weer vanaf", "wracam", "wracam do biura", "wrócę", "powrót", "powrót:",
            "wracam do pracy", "będę ponownie", "tillbaka den", "tillbaka", "åter den", "åter på kontoret den",
            "åter", "tilbage den", "tilbage", "tilbage på kontoret den", "tilbake den", "tilbake på kontoret den",
            "tilbake", "palaan", "palaan töihin", "palaan toimistolle", "takaisin", "vrátím se", "vracím se",
            "zpět v kanceláři", "zpět", "вернусь", "вернусь в офис", "выхожу", "выйду", "повернуся",
            "на работе буду", "буду на работе", "буду в офисе", "снова на связи", "буду на связи", "на связи с",
            "revin", "revin la birou pe", "revin la birou în", "mă întorc pe", "mă întorc", "retorno", "retornarei",
            "voltarei", "volto em", "volto dia", "volto a", "volto no dia", "de volta", "regressarei", "regresso",
            "volveré", "vuelvo", "me reincorporo el", "me reincorporo", "reincorporación", "rientrerò", "tornerò",
            "torno il", "sarò di nuovo in ufficio", "rientriamo", "riapriamo", "reprise le", "je reviens",
            "reviendrai", "je serai de retour", "réouverture le", "wieder erreichbar ab", "wieder erreichbar am",
            "wieder da am", "wieder da ab", "wieder für sie da ab", "terug in", "ben ik terug op", "ben terug op",
            "jestem z powrotem", "z powrotem", "wznawiam pracę", "zpátky", "zpátky v práci", "budu zpět",
            "вернемся", "вернёмся", "повернуся на роботу", "вийду на роботу", "dönüş", "işbaşı", "újra elérhető",
            "legközelebb", "visszatérek", "ismét elérhető", "επιστρέφω", "θα επιστρέψω", "kembali pada", "kembali tanggal",
            "trở lại vào ngày", "trở lại làm việc ngày", "אחזור ב", "אחזור למשרד ב", "وسأعود", "سأعود",
            "retomaremos", "retomamos", "reabrimos", "reabriremos", "reanudamos", "reanudaremos", "riapriremo",
            "riprenderanno", "riprenderemo", "riprendiamo", "riprende", "voltamos", "retornamos", "rouvrirons",
            "rouvrons", "reprendrons", "reopen on", "reopens on", "resume on", "resumes on", "öffnen wieder am",
            "dönüş tarihim", "dönüş tarihi", "visszatérek", "înapoi pe", "επιστρέφω στις", "θα επιστρέψω στις",
        ],
    ),
    (
        Cue::From,
        &[
            "ab dem", "ab", "from", "as of", "starting", "à partir du", "dès le", "a partir del", "a partir de",
            "a partir do", "a partire dal", "dal", "vanaf", "od", "od dnia", "från och med", "från", "fra og med",
            "fra", "с", "с:",
        ],
    ),
    (
        Cue::Start,
        &[
            "since", "seit", "vom", "von", "depuis", "depuis le", "du", "desde", "desde el", "del", "van",
            "between", "zwischen", "entre", "on leave on", "mellan", "mellem", "из", "am", "left on",
            "letzter arbeitstag", "last day was", "verlassen",
        ],
    ),
];

/// Words that make a day a day of return, in the same sentence or behind the date.
#[rustfmt::skip]
pub const AGAIN: &[&str] = &[
    "again", "back", "return", "wieder", "zurück", "de retour", "à nouveau", "de nouveau", "de nuevo",
    "nuevamente", "de vuelta", "regres", "di nuovo", "rientr", "tornerò", "novamente", "de volta", "retorn",
    "weer", "terug", "ponownie", "wracam", "wróc", "znów", "tillbaka", "åter", "tilbage", "tilbake", "igen",
    "igjen", "palaan", "takaisin", "jälleen", "zpět", "vrát", "opět", "вернусь", "снова", "выхожу", "döneceğim",
    "dönüyorum", "tekrar", "戻", "復帰", "出社", "回来", "回來", "返回", "回到", "复工", "恢复", "上班", "복귀", "출근", "돌아",
    "以降", "taas", "znowu", "responderei", "πάλι", "ofiste olaca", "yeniden", "hizmetinizdeyiz", "знову", "újra",
    "ismét", "din nou", "trở lại",
];

/// Words behind a date that take the day into the absence.
#[rustfmt::skip]
pub const ALSO: &[&str] = &[
    "inclusive", "inclusief", "inclus", "inclu", "einschließlich", "einschliesslich", "inklusive", "incluso",
    "incluido", "compreso", "włącznie", "včetně", "vrátane", "включительно", "dahil", "incl", "inkl",
];

/// "until" in the languages that put it behind the date.
#[rustfmt::skip]
pub const UNTIL_BEHIND: &[&str] =
    &["asti", "saakka", "'e kadar", "'a kadar", "tarihine kadar", "kadar", "まで", "까지", "-ig", "为止"];
