//! What mail programs write around quotes, by language. Data only; lower case throughout.
//!
//! Collected from the strings that Outlook, Apple Mail, Gmail, Thunderbird and Yahoo show in their
//! localised versions. A word may serve several languages and stands once.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// What a header line inside a body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    From,
    To,
    Cc,
    Date,
    Subject,
    ReplyTo,
    Other,
}

#[rustfmt::skip]
const FROM: &[&str] = &[
    "from", "von", "de", "da", "van", "från", "fra", "lähettäjä", "od", "odesílatel", "nadawca", "от", "от кого",
    "від", "feladó", "de la", "expéditeur", "remitente", "remetente", "mittente", "afzender", "gönderen", "kimden",
    "από", "发件人", "寄件者", "寄件人", "差出人", "送信者", "보낸 사람", "보낸사람", "từ", "người gửi", "dari", "pengirim", "מאת", "من",
    "saatja", "nuo", "no", "odosielateľ", "šalje", "pošiljatelj", "пошиљалац", "จาก", "frá", "sendandi",
];
#[rustfmt::skip]
const TO: &[&str] = &[
    "to", "an", "à", "a", "para", "per", "aan", "till", "til", "vastaanottaja", "do", "komu", "pro", "кому",
    "címzett", "către", "destinataire", "destinatario", "destinatário", "kime", "alıcı", "προς", "收件人", "收件者",
    "宛先", "받는 사람", "받는사람", "đến", "tới", "kepada", "ke", "אל", "إلى", "saaja", "kam", "adresát", "za", "prima",
    "до", "ถึง", "empfänger", "ontvanger", "mottagare", "modtager", "mottaker", "adresat", "příjemce",
];
#[rustfmt::skip]
const CC: &[&str] = &[
    "cc", "kopie", "copie à", "copie", "copia", "kopia", "kopi", "kopio", "dw", "udw", "do wiadomości", "копия",
    "копія", "másolat", "bilgi", "κοιν.", "抄送", "副本", "참조", "cópia", "bcc", "cci", "cco", "bijlage", "kopija",
    "в копии",
];
#[rustfmt::skip]
const DATE: &[&str] = &[
    "date", "sent", "datum", "gesendet", "gesendet am", "envoyé", "date d'envoi", "envoyé le", "enviado",
    "enviado el", "fecha", "enviada em", "enviado em", "enviada", "data", "inviato", "data invio", "verzonden",
    "verzonden op", "skickat", "sendt", "dato", "lähetetty", "päivämäärä", "päiväys", "wysłano", "data wysłania",
    "odesláno", "dátum", "odoslané", "дата", "отправлено", "дата отправки", "надіслано", "küldve", "elküldve",
    "trimis", "tarih", "gönderildi", "gönderilme tarihi", "στάλθηκε", "ημερομηνία", "发送时间", "发送日期", "日期", "傳送時間",
    "寄件日期", "時間", "时间", "日時", "日付", "送信日時", "送信", "날짜", "보낸 날짜", "sent at", "ngày", "đã gửi", "tanggal", "dikirim",
    "terkirim", "תאריך", "נשלח", "تاريخ", "تم الإرسال", "التاريخ", "saadetud", "kuupäev", "išsiųsta", "nosūtīts",
    "datums", "poslano", "poslato", "изпратено", "message du", "сообщение от", "วันที่", "ส่ง", "sendt den",
];
#[rustfmt::skip]
const SUBJECT: &[&str] = &[
    "subject", "betreff", "objet", "asunto", "assunto", "oggetto", "onderwerp", "ämne", "emne", "aihe", "temat",
    "předmět", "predmet", "тема", "tárgy", "subiect", "subiectul", "konu", "θέμα", "主题", "主旨", "主題", "标题", "件名",
    "題名", "제목", "chủ đề", "tiêu đề", "subjek", "perihal", "נושא", "الموضوع", "موضوع", "teema", "tema", "temats",
    "zadeva", "относно", "เรื่อง", "efni", "re",
];
#[rustfmt::skip]
const REPLY_TO: &[&str] = &[
    "reply-to", "reply to", "antwort an", "antwort-an", "répondre à", "responder a", "responder para",
    "rispondi a", "risposta", "antwoord aan", "svar till", "svar til", "svara till", "vastaa", "odpowiedz do",
    "odpověď", "ответить", "回复", "返信先",
];
#[rustfmt::skip]
const OTHER_LABEL: &[&str] = &[
    "importance", "priority", "wichtigkeit", "priorität", "importance haute", "anlagen", "attachments",
    "pièces jointes", "adjuntos", "anexos", "allegati", "bijlagen", "bilagor", "liitteet", "załączniki",
    "organization", "message-id", "x-mailer", "to cc", "resent-from", "prioridad", "prioridade", "priorità",
    "prioriteit", "附件", "添付ファイル", "categories", "sender", "return-path", "delivered-to", "content-type",
    "mime-version", "newsgroups",
];

/// The label that begins a header line.
pub fn label(word: &str) -> Option<Label> {
    static MAP: LazyLock<HashMap<&'static str, Label>> = LazyLock::new(|| {
        let all = [
            (OTHER_LABEL, Label::Other),
            (TO, Label::To),
            (CC, Label::Cc),
            (DATE, Label::Date),
            (SUBJECT, Label::Subject),
            (REPLY_TO, Label::ReplyTo),
            (FROM, Label::From),
        ];
        all.into_iter().flat_map(|(words, label)| words.iter().map(move |w| (*w, label))).collect()
    });
    MAP.get(word).copied()
}

#[rustfmt::skip]
const ORIGINAL: &[&str] = &[
    "original message", "original email", "original e-mail", "original appointment", "reply message",
    "reply above this line", "please reply above this line", "please type your reply above this line",
    "ursprüngliche nachricht", "ursprungliche nachricht", "originalnachricht", "original-nachricht",
    "originale nachricht", "ursprünglicher termin", "antwort nachricht", "antwortnachricht", "message d'origine",
    "message d’origine", "message original", "mensaje original", "mensagem original", "messaggio originale",
    "messaggio originario", "oorspronkelijk bericht", "oorspronkelijke bericht", "origineel bericht",
    "ursprungligt meddelande", "originalmeddelande", "ursprungsmeddelande", "oprindelig meddelelse",
    "oprindelig besked", "original meddelelse", "opprinnelig melding", "opprinnelig beskjed", "original melding",
    "alkuperäinen viesti", "wiadomość oryginalna", "oryginalna wiadomość", "treść oryginalnej wiadomości",
    "původní zpráva", "původní e-mail", "pôvodná správa", "исходное сообщение", "оригинальное сообщение",
    "первоначальное сообщение", "пересылаемое сообщение", "вихідне повідомлення", "оригінальне повідомлення",
    "eredeti üzenet", "mesaj original", "mesajul original", "orijinal mesaj", "özgün ileti", "orjinal mesaj",
    "αρχικό μήνυμα", "原始邮件", "原始郵件", "原始信件", "邮件原件", "原邮件", "元のメッセージ", "オリジナルメッセージ", "원본 메시지", "원본 메일", "원래 메시지",
    "thư gốc", "tin nhắn gốc", "pesan asli", "הודעה מקורית", "الرسالة الأصلية", "algne kiri", "izvorna poruka",
    "originalna poruka", "originalno sporočilo", "izvirno sporočilo", "originālā ziņa", "оригинално съобщение",
    "upprunaleg skilaboð", "ข้อความต้นฉบับ", "ursprüngliche mail", "originalmail", "original-mail", "original mail",
    "mail d'origine", "courriel d'origine", "courriel original", "correo original", "e-mail original",
    "mail originale", "email originale", "e-mail originale", "oorspronkelijke e-mail", "originele bericht",
    "ursprungligt mail", "oprindelig mail", "opprinnelig e-post", "alkuperäinen sähköposti", "oryginalny e-mail",
    "исходное письмо", "оригинал сообщения", "původní mail", "eredeti levél",
];
#[rustfmt::skip]
const FORWARDED: &[&str] = &[
    "forwarded message", "begin forwarded message", "forwarded by", "fwd", "forwarded email",
    "weitergeleitete nachricht", "anfang der weitergeleiteten nachricht", "weitergeleitete e-mail",
    "beginn der weitergeleiteten nachricht", "message transféré", "message réexpédié",
    "début du message réexpédié", "début du message transféré", "mensaje reenviado",
    "inicio del mensaje reenviado", "mensagem encaminhada", "mensagem reencaminhada",
    "início da mensagem encaminhada", "início da mensagem reencaminhada", "messaggio inoltrato",
    "inizio messaggio inoltrato", "doorgestuurd bericht", "begin doorgestuurd bericht",
    "vidarebefordrat meddelande", "vidarebefordrat brev", "start på vidarebefordrat meddelande",
    "videresendt meddelelse", "videresendt besked", "start på videresendt besked", "videresendt melding",
    "start på videresendt melding", "välitetty viesti", "edelleen lähetetty viesti", "välitetty viesti alkaa",
    "przekazana wiadomość", "wiadomość przekazana", "początek przekazywanej wiadomości",
    "začátek přeposlané zprávy", "přeposlaná zpráva", "preposlaná správa", "пересланное сообщение",
    "начало переадресованного сообщения", "начало пересылаемого сообщения", "переслане повідомлення",
    "перенаправлене повідомлення", "továbbított üzenet", "mesaj redirecționat", "început mesaj redirecționat",
    "iletilen ileti", "iletilen mesaj", "iletilmiş ileti başlangıcı", "yönlendirilen ileti", "προωθημένο μήνυμα",
    "转发的邮件", "转发邮件", "轉寄的郵件", "轉寄郵件", "以下是转发的邮件", "下面是被转发的邮件", "開始轉寄郵件", "転送メッセージ", "転送されたメッセージ", "전달된 메시지",
    "전달한 메시지", "tin nhắn được chuyển tiếp", "thư đã chuyển tiếp", "pesan terusan", "mulai pesan diteruskan",
    "הודעה שהועברה", "رسالة مُعاد توجيهها", "رسالة معاد توجيهها", "edastatud kiri", "proslijeđena poruka",
    "posredovano sporočilo", "препратено съобщение", "weitergeleitete mail", "mail transféré", "courriel transféré",
    "e-mail transféré", "correo reenviado", "e-mail encaminhado", "mail inoltrata", "email inoltrata",
    "doorgestuurde e-mail", "videresendt mail", "videresendt e-post", "välitetty sähköposti",
    "пересылаемое письмо", "továbbított levél", "přeposlaný e-mail",
];

/// First words of an attribution that needs neither verb nor date: "Quoting Ana Example <ana@example.org>:".
pub const QUOTING: &[&str] =
    &["quoting", "zitat von", "citando", "citando a", "citation de", "citazione", "citeren", "citat från", "citat fra"];

/// Whether the words of a separator line are known.
pub fn is_separator(words: &str) -> bool {
    static SET: LazyLock<HashSet<&'static str>> = LazyLock::new(|| ORIGINAL.iter().chain(FORWARDED).copied().collect());
    SET.contains(words)
}

/// Verbs of "On …, somebody wrote:".
#[rustfmt::skip]
pub const WROTE: &[&str] = &[
    "wrote", "writes", "has written", "schrieb", "geschrieben", "schreibt", "hat geschrieben", "a écrit", "écrit",
    "écrivait", "a ecrit", "escribió", "escribio", "ha escrito", "escrigué", "va escriure", "ha escrit",
    "escreveu", "ha scritto", "scrive", "scritto", "schreef", "geschreven", "skrev", "skreiv", "skrifaði",
    "kirjoitti", "napisał", "napisała", "napisał(a)", "napisal", "napisal(a)", "pisze", "napsal", "napsala",
    "napsal(a)", "napísal", "napísal(a)", "napísala", "написал", "написала", "написал(а)", "пишет", "писал",
    "писал(а)", "написав", "написала(в)", "пише", "напише", "написа", "írta", "ezt írta", "a scris", "yazdı",
    "şunu yazdı", "şunları yazdı", "έγραψε", "έγραψε(αν)", "写道", "寫道", "写了", "书写", "書込み", "書きました", "のメッセージ",
    "のメール", "작성", "썼습니다", "님이 작성", "작성했습니다", "đã viết", "viết", "menulis", "כתב", "כתב/ה", "כתבה", "كتب", "كتبت",
    "kirjutas", "rašė", "parašė", "rakstīja", "je napisao", "je napisala", "je napisao/la", "napisao je", "piše",
    "вы писали", "ви писали", "쓴 글", "쓴 메시지", "you wrote", "je napisal", "je napisal/a", "เขียนว่า", "ने लिखा", "skribis", "idatzi du",
];

/// First words of "On …, somebody wrote:", besides digits and weekdays.
#[rustfmt::skip]
pub const OPENERS: &[&str] = &[
    "on", "am", "le", "el", "il", "em", "op", "den", "på", "dnia", "w", "dne", "dňa", "в", "на", "vào", "pada",
    "at", "στις", "tarihinde", "în", "pe", "la", "a", "dne,", "kuupäeval", "kuupäev", "dana", "data", "al", "de",
    "from", "à", "às", "ב-", "ביום", "בתאריך", "في", "於", "于", "在", "quoting", "zitat", "il giorno", "da", "von",
    "message", "selon",
    // weekdays as mail programs shorten them
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "monday", "tuesday", "wednesday", "thursday", "friday",
    "saturday", "sunday", "mo", "di", "mi", "do", "fr", "sa", "so", "montag", "dienstag", "mittwoch", "donnerstag",
    "freitag", "samstag", "sonntag", "lun", "mar", "mer", "jeu", "ven", "sam", "dim", "lundi", "mardi", "mercredi",
    "jeudi", "vendredi", "samedi", "dimanche", "mié", "jue", "vie", "sáb", "dom", "lunes", "martes", "miércoles",
    "jueves", "viernes", "sábado", "domingo", "seg", "ter", "qua", "qui", "sex", "gio", "lunedì", "martedì",
    "mercoledì", "giovedì", "venerdì", "sabato", "domenica", "ma", "wo", "vr", "za", "zo", "maandag", "dinsdag",
    "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag", "mån", "tis", "ons", "tors", "tor", "fre", "lör",
    "sön", "man", "tir", "lør", "søn", "mandag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "søndag",
    "måndag", "tisdag", "lördag", "söndag", "ti", "ke", "to", "pe", "la", "su", "maanantai", "tiistai",
    "keskiviikko", "torstai", "perjantai", "lauantai", "sunnuntai", "pon", "wt", "śr", "czw", "pt", "sob", "niedz",
    "nd", "poniedziałek", "wtorek", "środa", "czwartek", "piątek", "sobota", "niedziela", "po", "út", "st", "čt",
    "pá", "so", "ne", "pondělí", "úterý", "středa", "čtvrtek", "pátek", "neděle", "пн", "вт", "ср", "чт", "пт",
    "сб", "вс", "нд", "понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье",
    "понеділок", "вівторок", "середа", "четвер", "п'ятниця", "субота", "неділя", "pzt", "sal", "çar", "per", "cum",
    "cmt", "paz", "luni", "marți", "miercuri", "joi", "vineri", "sâmbătă", "duminică", "hétfő", "kedd", "szerda",
    "csütörtök", "péntek", "szombat", "vasárnap", "thứ", "sen", "sel", "rab", "kam", "jum", "sab", "min", "senin",
    "selasa", "rabu", "kamis", "jumat", "sabtu", "minggu",
];

/// Whether a line may begin an attribution by its first word.
pub fn is_opener(word: &str) -> bool {
    static SET: LazyLock<HashSet<&'static str>> = LazyLock::new(|| OPENERS.iter().copied().collect());
    SET.contains(word)
}

/// What a mail program on a phone adds at the end: the line's beginning.
#[rustfmt::skip]
pub const SENT_FROM: &[&str] = &[
    "sent from", "sent via", "sent using", "sent with", "sent by outlook", "get outlook for", "get boxer for",
    "sent on the go", "von meinem", "von meiner", "gesendet von", "gesendet mit", "gesendet über",
    "diese nachricht wurde von meinem", "versendet mit", "outlook für ", "envoyé de", "envoyé depuis",
    "envoyé à partir", "envoyé via", "envoyé avec", "télécharger outlook pour", "obtenir outlook pour",
    "obtenez outlook pour", "provenance :", "enviado desde", "enviado de", "enviado do", "enviado da",
    "enviado a partir", "enviado con", "enviado via", "enviado por", "enviada do", "obtener outlook para",
    "obter o outlook para", "obtenha o outlook para", "inviato da", "inviato dal", "inviato con",
    "scarica outlook per", "ottieni outlook per", "verzonden vanaf", "verzonden met", "verstuurd vanaf",
    "verstuurd via", "verzonden via", "outlook voor ios downloaden", "download outlook voor", "skickat från",
    "skickat med", "skickades från", "hämta outlook för", "sendt fra", "sendt med", "sendt via",
    "hent outlook til", "skaff deg outlook", "lähetetty", "hanki outlook", "wysłane z", "wysłano z",
    "wysłane przy użyciu", "wysłane za pomocą", "pobierz outlook", "pobierz program outlook", "odesláno z",
    "odoslané z", "získat outlook", "získejte outlook", "poslano z", "poslano s", "poslato sa", "отправлено с",
    "отправлено из", "отправлено от", "надіслано з", "відправлено з", "изпратено от", "küldve az", "elküldve",
    "iphone-omról küldve", "trimis de pe", "trimis din", "στάλθηκε από", "απεσταλμένο από", "发自", "發自", "来自我的",
    "傳送自", "从我的", "從我的", "使用outlook", "获取 outlook", "取得 outlook", "下载 outlook", "iphoneから送信", "ipadから送信",
    "androidから送信", "スマートフォンから送信", "outlook for ios を入手", "outlook for android を入手", "나의 iphone에서", "내 iphone에서",
    "ipad에서 보냄", "iphone에서 보냄", "gửi từ", "được gửi từ", "dikirim dari", "dihantar dari", "נשלח מה", "נשלח מ",
    "تم الإرسال من", "أُرسلت من", "saadetud minu", "išsiųsta iš", "nosūtīts no", "sent via the samsung",
    "composed on", "typed on my", "written on my", "enviat des de", "sent from my", "iphone'umdan gönderildi",
    "ipad'imden gönderildi", "android için outlook", "ios için outlook", "få outlook for", "få outlook til",
    "hent outlook for", "outlook for ios", "outlook for android", "télécharger outlook", "descargar outlook",
    "obtén outlook", "baixe o outlook", "baixar o outlook", "transferir o outlook", "загрузить outlook",
    "скачать outlook", "завантажити outlook", "az outlook", "descărcați outlook", "obțineți outlook",
    "λήψη του outlook", "stáhnout outlook", "stiahnuť outlook", "preuzmite outlook", "dapatkan outlook",
    "tải outlook", "ดาวน์โหลด outlook", "ส่งจาก", "đã gửi từ", "dikirim melalui", "מ-iphone", "من iphone",
];

/// The same where the words stand at the line's end.
#[rustfmt::skip]
pub const SENT_FROM_END: &[&str] = &[
    "gesendet", "versendet", "gönderildi", "から送信", "보냄", "에서 보냄", "より送信", "küldve", "edinin", "傳送", "传送", "发送",
    "を入手", "を取得", "downloaden", "gesendet.",
];

/// A formal close: what follows is a name and what belongs to it.
#[rustfmt::skip]
pub const CLOSINGS: &[&str] = &[
    "best regards", "kind regards", "warm regards", "with kind regards", "with best regards", "regards",
    "best wishes", "sincerely", "sincerely yours", "yours sincerely", "yours faithfully", "yours truly",
    "respectfully", "with regards", "warmest regards", "kindest regards", "many regards", "br",
    "mit freundlichen grüßen", "mit freundlichen grüssen", "mit freundlichem gruß", "mit freundlichem gruss",
    "freundliche grüße", "freundliche grüsse", "beste grüße", "beste grüsse", "viele grüße", "viele grüsse",
    "liebe grüße", "liebe grüsse", "herzliche grüße", "herzliche grüsse", "mit besten grüßen",
    "mit herzlichen grüßen", "schöne grüße", "mfg", "vg", "lg", "hochachtungsvoll", "cordialement",
    "bien cordialement", "bien à vous", "sincères salutations", "meilleures salutations",
    "salutations distinguées", "bien sincèrement", "saludos", "saludos cordiales", "un saludo",
    "un cordial saludo", "cordialmente", "atentamente", "atenciosamente", "cumprimentos",
    "com os melhores cumprimentos", "melhores cumprimentos", "att", "abraços", "um abraço", "cordiali saluti",
    "distinti saluti", "saluti", "un saluto", "un cordiale saluto", "met vriendelijke groet",
    "met vriendelijke groeten", "vriendelijke groet", "vriendelijke groeten", "groeten", "groet", "mvg",
    "hoogachtend", "med vänlig hälsning", "med vänliga hälsningar", "vänliga hälsningar", "vänligen", "hälsningar",
    "mvh", "med venlig hilsen", "venlig hilsen", "de bedste hilsner", "bedste hilsner", "med vennlig hilsen",
    "vennlig hilsen", "hilsen", "beste hilsener", "ystävällisin terveisin", "terveisin", "parhain terveisin",
    "terv", "z poważaniem", "pozdrawiam", "pozdrawiam serdecznie", "serdecznie pozdrawiam", "z wyrazami szacunku",
    "s pozdravem", "s přátelským pozdravem", "pěkný den", "s pozdravom", "с уважением", "с наилучшими пожеланиями",
    "з повагою", "üdvözlettel", "tisztelettel", "cu stimă", "cu respect", "saygılarımla", "saygılarımızla",
    "iyi çalışmalar", "με εκτίμηση", "με φιλικούς χαιρετισμούς", "此致", "祝好", "顺祝商祺", "敬上", "よろしくお願いいたします",
    "よろしくお願いします", "敬具", "以上", "감사합니다", "trân trọng", "hormat saya", "salam", "בברכה", "مع تحياتي",
    "مع أطيب التحيات", "lugupidamisega", "pagarbiai", "ar cieņu", "lijep pozdrav", "srdačan pozdrav",
    "lep pozdrav", "с уважение", "s poštovanjem", "thanks & regards", "thanks and regards", "thanks & best regards",
    "thanks and best regards", "thanks and kind regards", "many thanks and kind regards", "rgds", "warmly",
    "with best wishes", "yours", "kindly", "freundlichst", "beste grüsse aus", "sonnige grüße", "bàt",
    "bien respectueusement", "respectueusement", "salutations", "très cordialement", "saludos cordiales y gracias",
    "reciba un cordial saludo", "muy atentamente", "atte", "cordialidades", "com os meus cumprimentos", "grato",
    "grata", "in attesa di un riscontro", "buona giornata", "buon lavoro", "hartelijke groet", "hartelijke groeten",
    "met hartelijke groet", "mvh.", "med vennlig helsing", "vennlege helsingar", "ystävällisesti", "yst. terv",
    "terveisin,", "łączę pozdrowienia", "z pozdrowieniami", "s úctou", "с уважением и благодарностью", "з найкращими побажаннями",
    "köszönettel", "baráti üdvözlettel", "cu considerație", "cu mulțumiri", "saygılar", "saygılarla", "μετά τιμής",
    "το ίδιο", "kính thư", "hormat kami", "ขอแสดงความนับถือ", "بكل احترام", "وتفضلوا بقبول فائق الاحترام",
];

/// Closes that people write without any signature below; only an address or a number in what
/// follows makes it one.
#[rustfmt::skip]
const THANKS: &[&str] = &[
    "thanks", "thank you", "many thanks", "thanks again", "thanks in advance", "cheers", "best", "all the best",
    "take care", "danke", "vielen dank", "besten dank", "danke und gruß", "gruß", "grüße", "gruss", "merci",
    "merci d'avance", "bonne journée", "amicalement", "gracias", "muchas gracias", "saludos y gracias", "grazie",
    "grazie mille", "a presto", "obrigado", "obrigada", "muito obrigado", "bedankt", "alvast bedankt", "dank u",
    "dziękuję", "dzięki", "tack", "tack på förhand", "tak", "på forhånd tak", "takk", "kiitos", "děkuji",
    "děkuji za odpověď", "спасибо", "благодарю", "teşekkürler", "teşekkür ederim", "ありがとうございます", "谢谢", "謝謝",
    "고맙습니다",
];

/// Whether a line is an informal close and nothing else.
pub fn is_thanks(words: &str) -> bool {
    THANKS.contains(&words)
}

/// Whether a line is a formal close and nothing else.
pub fn is_closing(words: &str) -> bool {
    static SET: LazyLock<HashSet<&'static str>> = LazyLock::new(|| CLOSINGS.iter().copied().collect());
    SET.contains(words)
}

/// Lines about paper and viruses: one is enough.
#[rustfmt::skip]
pub const PRINT_LESS: &[&str] = &[
    "before printing", "think before you print", "consider the environment", "vor dem ausdruck", "vor dem ausdrucken",
    "denken sie an die umwelt", "avant d'imprimer", "pensez à l'environnement", "antes de imprimir",
    "pense no meio ambiente", "prima di stampare", "rispetta l'ambiente", "voordat u deze e-mail print",
    "innan du skriver ut", "før du skriver ut", "før du printer", "ennen tulostamista", "zanim wydrukujesz",
    "před vytištěním", "прежде чем распечатать", "virus-free", "scanned for viruses", "avast.com", "avg.com",
];

/// What legal text below a mail speaks of: that it is secret, for whom it is, that it may have gone astray, that it is
/// to be deleted. Two or three of the four tell it in any language.
#[rustfmt::skip]
pub const LEGAL_TALK: [&[&str]; 4] = [
    &[
        "confiden", "privileged", "vertraulich", "rechtlich geschützt", "vertrouwelijk", "riservat", "konfidenti",
        "fortrolig", "taushetsbelagt", "sekretess", "luottamuks", "poufn", "důvěrn", "dôvern", "конфиденц", "конфіденц",
        "gizli", "bizalmas", "εμπιστευτικ", "機密", "秘密情報", "机密", "保密", "기밀", "bảo mật", "rahasia", "חסוי", "סודי",
        "سرية", "سري",
    ],
    &[
        "intended", "addressee", "recipient", "adressat", "empfänger", "geadresseerde", "ontvanger", "destinat",
        "modtager", "mottaker", "mottagare", "vastaanotta", "adresat", "příjemce", "príjemc", "адресат", "получател",
        "отримувач", "alıcı", "címzett", "παραλήπτ", "受信", "收件人", "수신", "người nhận", "penerima", "הנמען", "المرسل إليه",
    ],
    &[
        "in error", "by mistake", "irrtümlich", "versehentlich", "par erreur", "por error", "por engano", "por equivocación",
        "per errore", "per ongeluk", "abusievelijk", "ten onrechte", "av misstag", "ved en fejl", "ved fejl", "ved en feil",
        "feilaktig", "vahingossa", "erehdyks", "pomyłk", "omylem", "по ошибке", "ошибочно", "помилков", "yanlışlıkla",
        "tévedés", "din greșeală", "din eroare", "κατά λάθος", "εκ παραδρομής", "誤って", "誤送", "误收", "誤收", "误发", "잘못",
        "nhầm", "kesalahan", "בטעות", "الخطأ",
    ],
    &[
        "delete", "destroy", "löschen", "vernichten", "supprim", "détrui", "elimin", "bórrelo", "borre", "apague",
        "excluir", "cancell", "distrugg", "verwijder", "radera", "slet", "poista", "usuń", "usuni", "smaž", "vymaž", "удал",
        "видал", "silin", "törölj", "şterge", "șterge", "διαγρά", "削除", "破棄", "删除", "刪除", "삭제", "xóa", "hapus",
        "למחוק", "حذف",
    ],
];

/// Words of the legal text that firms put below every mail.
#[rustfmt::skip]
pub const DISCLAIMER: &[&str] = &[
    "confidential", "intended recipient", "intended solely", "intended only for", "may contain privileged",
    "received this email in error", "received this e-mail in error", "received this message in error",
    "please consider the environment", "think before you print", "virus-free", "scanned for viruses",
    "registered office", "registered in england", "vertrauliche", "irrtümlich erhalten",
    "nicht der richtige adressat", "denken sie an die umwelt", "sitz der gesellschaft", "handelsregister",
    "confidentiel", "exclusivement destiné", "destinataire prévu", "pensez à l'environnement", "confidencial",
    "destinatario de este", "dirigido exclusivamente", "uso exclusivo", "riservate", "esclusivamente",
    "se avete ricevuto", "vertrouwelijk", "uitsluitend bestemd", "konfidentiell", "avsedd för", "fortrolig",
    "fortrolige", "luottamuksellinen", "poufne", "wyłącznie dla adresata", "důvěrné", "určeny výhradně",
    "конфиденциальн", "предназначено исключительно", "gizli", "機密情報", "机密信息", "保密", "avast.com", "avg.com",
    "bizalmas",
];
