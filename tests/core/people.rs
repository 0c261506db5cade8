//! What people and their machines answer: tables of our own mails.

use reply_ingest::classify::{Finding, Rules, classify};
use reply_ingest::event::{AutoReplyType, Layout, UnsubscribeScope, UnsubscribeVia, Verdict};
use reply_ingest::message::{Mail, to_crlf};
use std::sync::LazyLock;

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::embedded().expect("embedded rules are right"));

/// A mail by Ana to the campaign's mailbox. `headers` come before the usual ones, each with its
/// line end; a Subject among them replaces ours.
fn mail(headers: &str, body: &str) -> Vec<u8> {
    let mut out = String::from("Received: from mx.example.org by pop.example.com; Mon, 5 Oct 2026 09:00:01 +0000\n");
    out.push_str(headers);
    for (name, line) in [
        ("Return-Path:", "Return-Path: <ana@example.org>"),
        ("Subject:", "Subject: Re: Our offer"),
        ("From:", "From: Ana Example <ana@example.org>"),
        ("To:", "To: replies@campaigns.example"),
        ("Content-Type:", "Content-Type: text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding:", "Content-Transfer-Encoding: 8bit"),
    ] {
        if !headers.lines().any(|l| l.starts_with(name)) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.push_str("Date: Mon, 5 Oct 2026 09:00:00 +0000\nMessage-ID: <1@example.org>\nMIME-Version: 1.0\n\n");
    out.push_str(body);
    out.into_bytes()
}

fn find(raw: &[u8]) -> Finding {
    let bytes = to_crlf(raw);
    let parsed = Mail::parse(&bytes);
    let mut findings = classify(&parsed, &RULES);
    assert_eq!(findings.len(), 1, "a mail by people gives one finding");
    findings.remove(0)
}

/// Collects what is wrong, so that one run shows all of it.
fn check<T>(cases: &[T], wrong: impl Fn(&T) -> Option<String>) {
    let all: Vec<String> = cases.iter().filter_map(wrong).collect();
    assert!(all.is_empty(), "{} of {} wrong:\n{}", all.len(), cases.len(), all.join("\n"));
}

fn why(finding: &Finding) -> String {
    let hits: Vec<String> = finding.hits.iter().map(|h| format!("{} ({})", h.rule, h.text)).collect();
    format!("{} {:.2} {:?} by {}", finding.kind().as_str(), finding.confidence, finding.verdict, hits.join(", "))
}

struct Auto {
    headers: &'static str,
    body: &'static str,
    is: AutoReplyType,
    back: Option<&'static str>,
    contacts: &'static [&'static str],
}

const fn auto(headers: &'static str, body: &'static str, is: AutoReplyType) -> Auto {
    Auto { headers, body, is, back: None, contacts: &[] }
}

impl Auto {
    const fn back(mut self, day: &'static str) -> Self {
        self.back = Some(day);
        self
    }
    const fn contacts(mut self, list: &'static [&'static str]) -> Self {
        self.contacts = list;
        self
    }
}

#[test]
fn automatic_answers() {
    use AutoReplyType::{AddressChanged, Generic, LeftCompany, MailboxUnmonitored, OutOfOffice, TicketAck};
    const AUTO: &str = "Auto-Submitted: auto-replied\n";
    let cases = [
        // headers that say so
        auto(AUTO, "I am out of the office until 12 October 2026. For urgent matters write to bea@example.org.", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto(AUTO, "Thank you for your message.", Generic),
        auto("Auto-Submitted: auto-replied (vacation)\n", "I am on holiday through 9 October.", OutOfOffice).back("2026-10-10"),
        auto("X-Autoreply: yes\n", "I am away from my desk.", OutOfOffice),
        auto("X-Autorespond: Our offer\n", "Ich bin bis zum 12. Oktober im Urlaub.", OutOfOffice).back("2026-10-12"),
        auto("Precedence: auto_reply\n", "Je suis en congés jusqu'au 12 octobre inclus.", OutOfOffice).back("2026-10-13"),
        auto("X-Apple-Action: VACATION\n", "On holidays, back on 12 October.", OutOfOffice).back("2026-10-12"),
        auto("X-FC-MachineGenerated: true\n", "Ana is not here this week.", Generic),
        auto("X-POST-MessageClass: 9; Autoresponder\n", "Estoy de vacaciones.", OutOfOffice),
        auto("x-ms-exchange-inbox-rules-loop: ana@example.org\n", "Dieses Postfach wird nicht gelesen.", MailboxUnmonitored),
        auto("X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent\n", "Thanks, we will look into it.", Generic),
        auto("Return-Path: <>\n", "I no longer work at Example. Please write to bea@example.org.", LeftCompany).contacts(&["bea@example.org"]),
        auto("Return-Path: <>\nPrecedence: bulk\n", "Vi har mottagit ditt ärende.", TicketAck),
        auto("Auto-Submitted: auto-generated\nSubject: [Ticket#2026100512] Our offer\n", "Your request has been received. A ticket has been created.", TicketAck),
        auto("Precedence: bulk\nX-Auto-Response-Suppress: All\nSubject: Our offer\n", "Estou de férias até 12 de outubro de 2026.", OutOfOffice).back("2026-10-12"),
        auto(AUTO, "Mijn e-mailadres is gewijzigd. Mijn nieuwe e-mailadres: ana.new@example.net", AddressChanged).contacts(&["ana.new@example.net"]),
        auto(AUTO, "Olen lomalla 12.10. asti.", OutOfOffice).back("2026-10-12"),
        auto(AUTO, "Jsem na dovolené do 12. října 2026.", OutOfOffice).back("2026-10-12"),
        auto(AUTO, "10月12日まで休暇をいただいております。", OutOfOffice).back("2026-10-12"),
        auto(AUTO, "我正在休假，将于10月12日返回办公室。", OutOfOffice).back("2026-10-12"),
        auto(AUTO, "10월 12일까지 휴가 중입니다.", OutOfOffice).back("2026-10-12"),
        auto(AUTO, "I am out of the office until 9/8/2026.", OutOfOffice),
        auto(AUTO, "I will be away during October 2026. I am on vacation.", OutOfOffice),
        auto(AUTO, "I am on leave. I will be back on 4 January.", OutOfOffice).back("2027-01-04"),
        auto(AUTO, "Меня нет в офисе до 12 октября. По срочным вопросам пишите на bea@example.org", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto(AUTO, "12 Ekim 2026 tarihine kadar izindeyim.", OutOfOffice).back("2026-10-12"),
        auto(AUTO, "Jeg er på ferie til og med den 11. oktober.", OutOfOffice).back("2026-10-12"),
        auto(AUTO, "Sono fuori ufficio, rientro il 12 ottobre. Contattare bea@example.org o carl@example.org.", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org", "carl@example.org"]),
        // a subject that says so
        auto("Subject: Automatic reply: Our offer\n", "I am currently out of the office.", OutOfOffice),
        auto("Subject: Automatic reply: Our offer\n", "Ana Example is no longer with the company. Please contact bea@example.org.", LeftCompany).contacts(&["bea@example.org"]),
        auto("Subject: Out of Office: Our offer\n", "Back on Monday.", OutOfOffice),
        auto("Subject: Abwesenheitsnotiz: Unser Angebot\n", "Ab dem 12.10. bin ich wieder erreichbar.", OutOfOffice).back("2026-10-12"),
        auto("Subject: Automatische Antwort: Unser Angebot\n", "Frau Example ist nicht mehr im Unternehmen.", LeftCompany),
        auto("Subject: Réponse automatique : Notre offre\n", "Absente, de retour le 12 octobre.", OutOfOffice).back("2026-10-12"),
        auto("Subject: Respuesta automática: Oferta\n", "Estoy fuera de la oficina hasta el 12 de octubre.", OutOfOffice).back("2026-10-12"),
        auto("Subject: Risposta automatica: Offerta\n", "Sono in ferie fino al 12 ottobre.", OutOfOffice).back("2026-10-12"),
        auto("Subject: Resposta automática: Oferta\n", "Estarei ausente do escritório até 12 de outubro.", OutOfOffice).back("2026-10-12"),
        auto("Subject: Automatisch antwoord: Aanbod\n", "Ik ben afwezig t/m 11 oktober.", OutOfOffice).back("2026-10-12"),
        auto("Subject: Autosvar: Tilbud\n", "Jeg er ikke på kontoret.", OutOfOffice),
        auto("Subject: Automaattinen vastaus: Tarjous\n", "Olen poissa toimistolta.", OutOfOffice),
        auto("Subject: Automatická odpověď: Nabídka\n", "Jsem mimo kancelář.", OutOfOffice),
        auto("Subject: Автоматический ответ: Предложение\n", "Я в отпуске.", OutOfOffice),
        auto("Subject: Otomatik yanıt: Teklif\n", "Ofis dışındayım.", OutOfOffice),
        auto("Subject: 自動応答: ご提案\n", "外出しております。", OutOfOffice),
        auto("Subject: 自动回复: 报价\n", "我目前外出。", OutOfOffice),
        auto("Subject: 부재중 알림\n", "휴가 중입니다.", OutOfOffice),
        auto("Subject: AUTO: Ana Example is out of the office (returning 12 October 2026)\n", "Note: this is an automated response to your message.", OutOfOffice).back("2026-10-12"),
        // words alone
        auto("", "Thank you for your email.\n\nI am out of the office until 12 October with limited access to email. For urgent matters please contact my colleague Bea (bea@example.org).\n\nBest regards\nAna Example", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto("", "I am on annual leave and will be back on 19 October 2026. I will answer your message on my return.", OutOfOffice).back("2026-10-19"),
        auto("", "This is an automatic reply. This mailbox is not monitored.", MailboxUnmonitored),
        auto("", "Vielen Dank für Ihre Nachricht. Ich bin derzeit nicht im Büro und habe keinen Zugriff auf meine E-Mails. In dringenden Fällen wenden Sie sich bitte an bea@example.org.", OutOfOffice).contacts(&["bea@example.org"]),
        auto("", "Ich bin bis einschließlich 11.10.2026 im Urlaub. Ihre Nachricht wird nicht weitergeleitet.", OutOfOffice).back("2026-10-12"),
        auto("", "Bonjour,\n\nJe suis actuellement en congés jusqu'au 12 octobre. En cas d'urgence, merci de contacter bea@example.org.", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto("", "Gracias por su mensaje. Estoy de vacaciones hasta el 12 de octubre. Durante mi ausencia puede contactar con bea@example.org.", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto("", "Grazie per il messaggio. Sono in ferie e risponderò al mio rientro. Per urgenze: bea@example.org", OutOfOffice).contacts(&["bea@example.org"]),
        auto("", "Obrigado pela sua mensagem. Estou de férias até 12 de outubro. Em caso de urgência contacte bea@example.org.", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto("", "Bedankt voor uw bericht. Ik ben momenteel niet op kantoor. Neem bij spoed contact op met bea@example.org.", OutOfOffice).contacts(&["bea@example.org"]),
        auto("", "Dziękuję za wiadomość. Przebywam na urlopie do 12 października. W sprawach pilnych proszę o kontakt z bea@example.org.", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto("", "Tack för ditt mejl. Jag är på semester och är tillbaka den 12 oktober. Vid brådskande ärenden kontakta bea@example.org.", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto("", "Tak for din mail. Jeg er på ferie og tilbage den 12. oktober. Hvis det haster, kontakt bea@example.org.", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto("", "Kiitos viestistäsi. Olen lomalla ja palaan töihin 12.10.2026. Kiireellisissä asioissa ota yhteyttä: bea@example.org", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto("", "Děkuji za Vaši zprávu. Jsem mimo kancelář a vrátím se 12. října. V naléhavých případech pište na bea@example.org.", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto("", "Спасибо за ваше письмо. Я нахожусь в отпуске до 12 октября. По срочным вопросам обращайтесь к bea@example.org.", OutOfOffice).back("2026-10-12").contacts(&["bea@example.org"]),
        auto("", "E-postanız için teşekkür ederim. Yıllık izindeyim, acil durumlarda bea@example.org ile iletişime geçebilirsiniz.", OutOfOffice).contacts(&["bea@example.org"]),
        auto("", "ご連絡ありがとうございます。10月11日まで不在にしております。お急ぎの場合は bea@example.org までご連絡ください。", OutOfOffice).back("2026-10-11").contacts(&["bea@example.org"]),
        auto("", "您好，我正在休假，无法及时回复邮件。如有紧急事宜请联系 bea@example.org。", OutOfOffice).contacts(&["bea@example.org"]),
        auto("", "메일 감사합니다. 현재 휴가 중입니다. 급한 용무는 bea@example.org 로 연락 부탁드립니다.", OutOfOffice).contacts(&["bea@example.org"]),
        auto("", "Ana Example is no longer with the company. Please direct all enquiries to bea@example.org.", LeftCompany).contacts(&["bea@example.org"]),
        auto("", "Ana Example ne fait plus partie de la société. Merci d'écrire à bea@example.org.", LeftCompany).contacts(&["bea@example.org"]),
        auto("", "Ana Example ya no trabaja en la empresa, escriba a bea@example.org.", LeftCompany).contacts(&["bea@example.org"]),
        auto("", "My email address has changed. Please update your address book: ana.new@example.net", AddressChanged).contacts(&["ana.new@example.net"]),
        auto("", "Meine E-Mail-Adresse hat sich geändert: ana.neu@example.net", AddressChanged).contacts(&["ana.neu@example.net"]),
        auto("Subject: Ihre Anfrage ist eingegangen\n", "Wir haben Ihre Anfrage erhalten und melden uns schnellstmöglich.", TicketAck),
        auto("Subject: [Ticket #4711] Our offer\n", "Thank you for contacting us. We have received your request and will get back to you as soon as possible.", TicketAck),
        auto("", "Dies ist eine automatisch generierte Antwort. Bitte antworten Sie nicht auf diese E-Mail.", Generic),
    ];
    assert!(cases.len() >= 60);
    check(&cases, |case| {
        let finding = find(&mail(case.headers, case.body));
        let Verdict::AutoReply { auto_reply } = &finding.verdict else {
            return Some(format!("- {}{}\n    {}", case.headers, case.body, why(&finding)));
        };
        let back = auto_reply.returns_on.map(|d| d.to_string());
        let contacts: Vec<&str> = auto_reply.alternate_contacts.iter().filter_map(|p| p.address.as_deref()).collect();
        let permanent = matches!(case.is, LeftCompany | AddressChanged);
        let right = auto_reply.reply_type == case.is
            && back.as_deref() == case.back
            && contacts == case.contacts
            && auto_reply.permanent == permanent
            && !finding.hits.is_empty()
            && finding.words.is_some();
        (!right).then(|| format!("- {}{}\n    {}", case.headers, case.body, why(&finding)))
    });
}

#[test]
fn wishes_to_get_no_more_mail() {
    use UnsubscribeScope::{All, List, Unknown};
    use UnsubscribeVia::{Body, ListUnsubscribeMailto, Subject};
    let link = "To: <unsubscribe+a1b2c3@campaigns.example>\nSubject: unsubscribe\n";
    let cases = [
        (link, "", ListUnsubscribeMailto, List),
        ("To: unsub-a1b2c3@campaigns.example\nSubject: unsubscribe:a1b2c3\n", "", ListUnsubscribeMailto, List),
        (
            "To: leave-42-abc@lists.example\nSubject: \n",
            "This message was sent by the mail program to leave the list.",
            ListUnsubscribeMailto,
            List,
        ),
        (
            "To: news.unsubscribe@campaigns.example\nSubject: Unsubscribe\n",
            "This message was automatically generated.",
            ListUnsubscribeMailto,
            List,
        ),
        ("Subject: Unsubscribe\n", "", Subject, Unknown),
        ("Subject: UNSUBSCRIBE PLEASE\n", "\n", Subject, Unknown),
        ("Subject: Abmelden\n", "Danke", Subject, Unknown),
        ("Subject: Désinscription\n", "", Subject, Unknown),
        ("Subject: 配信停止\n", "", Subject, Unknown),
        ("", "unsubscribe", Body, Unknown),
        ("", "Please unsubscribe me.\n\n> Our offer of the week", Body, Unknown),
        ("", "STOP", Body, Unknown),
        (
            "",
            "Please remove me from your mailing list. Thank you.\n\nOn Mon, 5 Oct 2026 at 08:00, Sales <sales@campaigns.example> wrote:\n> Buy now",
            Body,
            List,
        ),
        ("", "Stop emailing me!", Body, All),
        ("", "Hi, I never signed up for this. Take me off your list, I don't want to receive any of it.", Body, All),
        ("", "Bitte nehmen Sie mich aus Ihrem Verteiler.", Body, List),
        ("", "Bitte keine weiteren E-Mails mehr an diese Adresse.", Body, All),
        ("", "Bonjour, merci de me retirer de votre liste de diffusion.", Body, List),
        ("", "Por favor, quiero darme de baja.", Body, List),
        ("", "Cancellatemi dalla mailing list, grazie.", Body, List),
        ("", "Não quero mais receber estes e-mails.", Body, All),
        ("", "Graag uitschrijven.", Body, Unknown),
        ("", "Proszę o usunięcie mojego adresu z listy.", Body, List),
        ("", "Ta bort mig från er lista, tack.", Body, List),
        ("", "Jeg ønsker ikke at modtage flere mails.", Body, All),
        ("", "Poistakaa minut postituslistalta.", Body, List),
        ("", "Prosím o vyřazení z databáze.", Body, List),
        ("", "Отпишите меня от рассылки.", Body, List),
        ("", "Lütfen beni listenizden çıkarın.", Body, List),
        ("", "配信停止をお願いします。", Body, List),
        ("", "请不要再给我发邮件。", Body, All),
        ("", "수신거부 부탁드립니다.", Body, List),
        ("", "The unsubscribe link doesn't work, please unsubscribe me.", Body, Unknown),
        ("", "Could you remove me from your list?", Body, List),
    ];
    assert!(cases.len() >= 25);
    check(&cases, |(headers, body, via, scope)| {
        let finding = find(&mail(headers, body));
        let right = matches!(&finding.verdict, Verdict::Unsubscribe { unsubscribe }
            if unsubscribe.via == *via
                && (unsubscribe.scope == *scope || (*scope == Unknown && unsubscribe.scope == List))
                && (unsubscribe.phrase_rule.is_some() || *via == ListUnsubscribeMailto));
        (!right || finding.hits.is_empty()).then(|| format!("- {headers}{body}\n    {}", why(&finding)))
    });
}

struct Human {
    headers: &'static str,
    body: &'static str,
    text: &'static str,
    signature: Option<&'static str>,
    layout: Layout,
}

const fn human(body: &'static str, text: &'static str, layout: Layout) -> Human {
    Human { headers: "", body, text, signature: None, layout }
}

impl Human {
    const fn with(mut self, headers: &'static str) -> Self {
        self.headers = headers;
        self
    }
    const fn signed(mut self, signature: &'static str) -> Self {
        self.signature = Some(signature);
        self
    }
}

#[test]
fn own_words_of_human_replies() {
    use Layout::{Bottom, Full, Inline, Top};
    const HTML: &str = "Content-Type: text/html; charset=utf-8\n";
    const FLOWED: &str = "Content-Type: text/plain; charset=utf-8; format=flowed\n";
    let cases = [
        human("Sounds good, call me.", "Sounds good, call me.", Full),
        human("Yes.\n\nOn Mon, Oct 5, 2026 at 8:00 AM Sales <sales@campaigns.example> wrote:\n\n> Our offer\n> is here.\n", "Yes.", Top),
        human("Yes.\n\nOn Mon, Oct 5, 2026 at 8:00 AM Sales Department of Example\n<sales@campaigns.example> wrote:\n\nOur offer\nis here.\n", "Yes.", Top),
        human("Ja gerne.\n\nAm 05.10.2026 um 08:00 schrieb Verkauf:\n> Angebot", "Ja gerne.", Top),
        human("Ja.\n\nVerkauf <sales@campaigns.example> schrieb am Mo., 5. Okt. 2026, 08:00:\n\n> Angebot", "Ja.", Top),
        human("Oui.\n\nLe lun. 5 oct. 2026 à 08:00, Ventes <sales@campaigns.example> a écrit :\n\n> Offre", "Oui.", Top),
        human("Sí.\n\nEl lun, 5 oct 2026 a las 8:00, Ventas (<sales@campaigns.example>) escribió:\n\n> Oferta", "Sí.", Top),
        human("Sì.\n\nIl giorno lun 5 ott 2026 alle ore 08:00 Vendite <sales@campaigns.example> ha scritto:\n\n> Offerta", "Sì.", Top),
        human("Sim.\n\nEm seg., 5 de out. de 2026 às 08:00, Vendas <sales@campaigns.example> escreveu:\n\n> Oferta", "Sim.", Top),
        human("Ja.\n\nOp ma 5 okt 2026 om 08:00 schreef Verkoop <sales@campaigns.example>:\n\n> Aanbod", "Ja.", Top),
        human("Tak.\n\npon., 5 paź 2026 o 08:00 Sprzedaż <sales@campaigns.example> napisał(a):\n\n> Oferta", "Tak.", Top),
        human("Ja.\n\nDen mån 5 okt. 2026 kl 08:00 skrev Sälj <sales@campaigns.example>:\n\n> Erbjudande", "Ja.", Top),
        human("Ja.\n\nman. 5. okt. 2026 kl. 08.00 skrev Salg <sales@campaigns.example>:\n\n> Tilbud", "Ja.", Top),
        human("Kyllä.\n\nma 5. lokak. 2026 klo 8.00 Myynti (sales@campaigns.example) kirjoitti:\n\n> Tarjous", "Kyllä.", Top),
        human("Ano.\n\npo 5. 10. 2026 v 8:00 odesílatel Prodej <sales@campaigns.example> napsal:\n\n> Nabídka", "Ano.", Top),
        human("Да.\n\nпн, 5 окт. 2026 г. в 08:00, Отдел продаж <sales@campaigns.example>:\n\n> Предложение", "Да.", Top),
        human("Evet.\n\nSatış <sales@campaigns.example>, 5 Eki 2026 Pzt, 08:00 tarihinde şunu yazdı:\n\n> Teklif", "Evet.", Top),
        human("はい。\n\n2026年10月5日(月) 8:00 営業 <sales@campaigns.example>:\n\n> ご提案", "はい。", Top),
        human("好的。\n\n销售 <sales@campaigns.example> 于2026年10月5日周一 08:00写道：\n\n> 报价", "好的。", Top),
        human("네.\n\n2026년 10월 5일 (월) 오전 8:00, 영업 <sales@campaigns.example>님이 작성:\n\n> 제안", "네.", Top),
        human("Igen.\n\nÉrtékesítés <sales@campaigns.example> ezt írta (időpont: 2026. okt. 5., H, 8:00):\n\n> Ajánlat", "Igen.", Top),
        human("Vâng.\n\nVào Th 2, 5 thg 10, 2026 vào lúc 08:00 Sales <sales@campaigns.example> đã viết:\n\n> Chào", "Vâng.", Top),
        human("Thanks!\n\n-----Original Message-----\nFrom: Sales\nSent: Monday\nSubject: Offer\n\nBuy now", "Thanks!", Top),
        human("Danke!\n\nVon: Verkauf <sales@campaigns.example>\nGesendet: Montag, 5. Oktober 2026 08:00\nAn: Ana Example\nBetreff: Angebot\n\nJetzt kaufen", "Danke!", Top),
        human("Merci\n\n________________________________\nDe : Ventes <sales@campaigns.example>\nEnvoyé : lundi 5 octobre 2026 08:00\nÀ : Ana Example\nObjet : Offre\n\nAchetez", "Merci", Top),
        human("Bedankt\n\nVan: Verkoop <sales@campaigns.example>\nVerzonden: maandag 5 oktober 2026 08:00\nAan: Ana\nOnderwerp: Aanbod\n\nKoop", "Bedankt", Top),
        human("Спасибо\n\nОт: Продажи <sales@campaigns.example>\nОтправлено: 5 октября 2026 г. 8:00\nКому: Ана\nТема: Предложение\n\nКупите", "Спасибо", Top),
        human("ありがとう\n\n差出人: 営業 <sales@campaigns.example>\n送信日時: 2026年10月5日 8:00\n宛先: Ana\n件名: ご提案\n\n買ってください", "ありがとう", Top),
        human("See below.\n\n---------- Forwarded message ---------\nFrom: Sales <sales@campaigns.example>\nDate: Mon, 5 Oct 2026\nSubject: Offer\n\nBuy", "See below.", Top),
        human("Yes, gladly.\n\n-- \nAna Example\nHead of Purchasing\n", "Yes, gladly.", Full).signed("Ana Example\nHead of Purchasing"),
        human("Yes, gladly.\n\nSent from my iPhone\n\n> On 5 Oct 2026, at 08:00, Sales <sales@campaigns.example> wrote:\n> \n> Buy", "Yes, gladly.", Top).signed("Sent from my iPhone"),
        human("Ja gerne.\n\nVon meinem iPhone gesendet", "Ja gerne.", Full).signed("Von meinem iPhone gesendet"),
        human("Oui.\n\nEnvoyé de mon iPhone", "Oui.", Full).signed("Envoyé de mon iPhone"),
        human("Please send the price list.\n\nMit freundlichen Grüßen\nAna Example\nTel. +49 30 1234567", "Please send the price list.", Full).signed("Mit freundlichen Grüßen\nAna Example\nTel. +49 30 1234567"),
        human("Thanks,\nAna", "Thanks,\nAna", Full),
        human("Call me tomorrow.\n\nThanks,\nAna Example\nExample Ltd\n+1 555 0100 200\nwww.example.org", "Call me tomorrow.", Full).signed("Thanks,\nAna Example\nExample Ltd\n+1 555 0100 200\nwww.example.org"),
        human("Jah.\n\nKuupäev E, 5. oktoober 2026 kell 08:00 kirjutas Müük <sales@campaigns.example>:\n\n> Pakkumine", "Jah.", Top),
        human("Jā.\n\npirmd., 2026. g. 5. okt., plkst. 08:00 lietotājs Sales (<sales@campaigns.example>) rakstīja:\n\n> Preces", "Jā.", Top),
        human("Ναι.\n\nΣτις Δευ 5 Οκτ 2026 στις 8:00 π.μ., ο χρήστης Sales <sales@campaigns.example> έγραψε:\n\n> Προσφορά", "Ναι.", Top),
        human("כן.\n\n\u{202b}בתאריך יום ב׳, 5 באוק׳ 2026 ב-8:00 מאת \u{202a}Sales\u{202c}\u{200f} <\u{202a}sales@campaigns.example\u{202c}\u{200f}>:\u{202c}\n\n> הצעה", "כן.", Top),
        human("Так.\n\nпн, 5 жовт. 2026 р. о 08:00 Sales <sales@campaigns.example> пише:\n\n> Пропозиція", "Так.", Top),
        human("Da.\n\nÎn lun., 5 oct. 2026 la 08:00, Sales <sales@campaigns.example> a scris:\n\n> Oferta", "Da.", Top),
        human("Ya.\n\nPada tanggal Sen, 5 Okt 2026 pukul 08.00 Sales <sales@campaigns.example> menulis:\n\n> Penawaran", "Ya.", Top),
        human("Yes.\n\nOn Monday, 5 October 2026 at 08:00:00 CEST, Sales <sales@campaigns.example> wrote:  \n\nBuy now.\nBest offer.", "Yes.", Top),
        human("Ja.\n\nAm Montag, 5. Oktober 2026 um 08:00:00 MESZ hat Sales <sales@campaigns.example> Folgendes geschrieben:\n\nAngebot", "Ja.", Top),
        human("Да.\n\nПонедельник, 5 октября 2026, 8:00 +03:00 от Sales <sales@campaigns.example>:\n\nПредложение", "Да.", Top),
        human("Fine.\n\n05.10.2026, 08:00, \"Sales\" <sales@campaigns.example>:\n\n> Buy", "Fine.", Top),
        human("Yes.\n\n**From:** Sales <sales@campaigns.example>\n**Sent:** Monday, October 5, 2026 8:00 AM\n**To:** Ana\n**Subject:** Offer\n\nBuy", "Yes.", Top),
        human("Ok.\n\n--- Original-Nachricht ---\nVon: Sales\nBetreff: Angebot\nDatum: 05.10.2026, 8:00 Uhr\nAn: Ana\n\nAngebot", "Ok.", Top),
        human("Yes.\n\nThis e-mail and any attachments are confidential and intended solely for the addressee. If you are not the intended recipient, delete it.", "Yes.", Full).signed("This e-mail and any attachments are confidential and intended solely for the addressee. If you are not the intended recipient, delete it."),
        human("On Mon, 5 Oct 2026, Sales <sales@campaigns.example> wrote:\n> Do you want it?\n\nYes, we do.", "Yes, we do.", Bottom),
        human("On Mon, 5 Oct 2026, Sales <sales@campaigns.example> wrote:\n> Do you want it?\n\nYes.\n\n> And when?\n\nTomorrow.\n", "Yes.\n\nTomorrow.", Inline),
        human("Two points:\n\n> First\n\nI agree.\n\n> Second\n\nI do not.", "Two points:\n\nI agree.\n\nI do not.", Inline),
        human("This is one long \nparagraph that the program \nwrapped.\n\n> quoted \n> too\n", "This is one long paragraph that the program wrapped.", Top).with(FLOWED),
        human("<div dir=\"ltr\">Yes, <b>please</b> call.</div><br><div class=\"gmail_quote\"><div class=\"gmail_attr\">On Mon, Oct 5, 2026 at 8:00 AM Sales &lt;<a href=\"mailto:sales@campaigns.example\">sales@campaigns.example</a>&gt; wrote:<br></div><blockquote class=\"gmail_quote\" style=\"border-left:1px solid\">Buy now</blockquote></div>", "Yes, please call.", Top).with(HTML),
        human("<html><head><style>p{color:red}</style></head><body><p>Ja, gern.</p><div id=\"appendonsend\"></div><hr><div id=\"divRplyFwdMsg\"><b>Von:</b> Verkauf<br><b>Gesendet:</b> Montag</div><p>Kaufen</p></body></html>", "Ja, gern.", Top).with(HTML),
        human("<p>Fine &amp; good &lt;3</p><div class=\"moz-cite-prefix\">On 5.10.26 08:00, Sales wrote:<br></div><blockquote type=\"cite\" cite=\"mid:1@example.com\"><p>Buy</p></blockquote>", "Fine & good <3", Top).with(HTML),
        human("<div>First line<br>Second line</div><div>Third</div><div class=\"yahoo_quoted\"><div>On Monday, Sales wrote:</div>Buy</div>", "First line\nSecond line\nThird", Top).with(HTML),
        human("<div>Ok</div><div id=\"ms-outlook-mobile-signature\">Get Outlook for Android</div>", "Ok", Full).with(HTML).signed("Get Outlook for Android"),
        human("<div>Yes.</div><div>On 5 Oct 2026, at 08:00, Sales &lt;sales@campaigns.example&gt; wrote:</div><blockquote><div>Buy</div></blockquote>", "Yes.", Top).with(HTML),
        human("<div>Reply</div><blockquote>Quote without a word on whose</blockquote><div>The end</div>", "Reply\n\nThe end", Inline).with(HTML),
        human("<div>As the law says:</div><blockquote>No one may do that.</blockquote><div>On 5.10.2026 08:00, Sales wrote:</div><blockquote type=\"cite\">Buy</blockquote>", "As the law says:\nNo one may do that.", Top).with(HTML),
        human("<p>We meet at 9.</p><blockquote style=\"margin:0 0 0 40px\">bring the plan</blockquote>", "We meet at 9.\n\nbring the plan", Full).with(HTML),
    ];
    assert!(cases.len() >= 40);
    check(&cases, |case| {
        let finding = find(&mail(case.headers, case.body));
        let words = finding.words.clone().unwrap_or_default();
        let right = matches!(finding.verdict, Verdict::Reply { .. })
            && words.text == case.text
            && words.signature.as_deref() == case.signature
            && words.layout == Some(case.layout);
        (!right).then(|| {
            format!(
                "- {}\n    {:?} {:?} {:?}\n    {}",
                case.body,
                words.text,
                words.signature,
                words.layout,
                why(&finding)
            )
        })
    });
}

/// What looks like something else and is a human answer.
#[test]
fn traps() {
    let quote = "On Mon, 5 Oct 2026 at 08:00, Sales <sales@campaigns.example> wrote:\n> Do not want our mails? Unsubscribe here.\n> I am out of the office.\n";
    let quoting = format!("Great offer, tell me more.\n\n{quote}");
    let cases: Vec<(&str, &str, Option<&str>)> = vec![
        ("Subject: Re: Out of office\n", "Enjoy your holidays, we talk afterwards.", None),
        ("Subject: RE: Automatic reply: Our offer\n", "Thanks, I will write to Bea then.", None),
        ("Subject: AW: Abwesenheitsnotiz\n", "Danke, dann melde ich mich später noch einmal.", None),
        ("", "I am on vacation next week, can we talk the week after?", None),
        ("", "I'm out of the office tomorrow but let's meet on Thursday.", None),
        ("", "We were on holiday, sorry for the late answer. Please send me the price list.", None),
        ("", "Ich war im Urlaub und melde mich erst jetzt. Können Sie mir das Angebot noch einmal schicken?", None),
        ("", "Je serai en vacances la semaine prochaine, pouvez-vous m'appeler avant ?", None),
        ("", "Estuve de vacaciones. ¿Podemos hablar mañana?", None),
        ("", &quoting, Some("Great offer, tell me more.")),
        ("", "Please do not unsubscribe me, I like your letters.", None),
        ("", "Why did I get unsubscribed? I did not ask for that.", None),
        ("", "Why was I unsubscribed by mistake?", None),
        ("", "Bitte nicht abmelden, wir lesen Ihren Newsletter gern.", None),
        ("", "How do your customers unsubscribe? Does your tool handle unsubscribe requests?", None),
        ("Subject: Re: Unsubscribe\n", "Thanks for doing that so fast!", None),
        ("", "We plan to stop by your booth on Tuesday.", None),
        ("", "Please stop by our office.", None),
        (
            "",
            "Interesting. What does it cost?\n\n-- \nAna Example\nTo unsubscribe from my mails, write to the mailing list owner",
            Some("Interesting. What does it cost?"),
        ),
        ("", "On Thursday I can talk.", Some("On Thursday I can talk.")),
        (
            "",
            "From: Berlin\nTo: Hamburg\nDate: 12 May\nThat is the trip we need.",
            Some("From: Berlin\nTo: Hamburg\nDate: 12 May\nThat is the trip we need."),
        ),
        (
            "",
            "Sent from my desk, where it is much easier to write.",
            Some("Sent from my desk, where it is much easier to write."),
        ),
        (
            "",
            "Three points:\n-- the first\n-- the second\n-- the third\n\nAll clear?",
            Some("Three points:\n-- the first\n-- the second\n-- the third\n\nAll clear?"),
        ),
        ("", "My answer --- yes.", Some("My answer --- yes.")),
        ("", "a < b and b > c, so a <c", Some("a < b and b > c, so a <c")),
        (
            "",
            "On 12 May 2026 I wrote: we need ten.\nThat still holds.",
            Some("On 12 May 2026 I wrote: we need ten.\nThat still holds."),
        ),
        (
            "",
            "```\n> not a quote\n-- \nnot a signature\n```\nThat is the code.",
            Some("```\n> not a quote\n--\nnot a signature\n```\nThat is the code."),
        ),
        ("Auto-Submitted: no\n", "Yes please.", None),
        ("X-Auto-Response-Suppress: DR, RN, NRN\n", "Yes please.", None),
        ("", "The office is in Bonn. See you there.", None),
        ("", "I'm on vacation until 12 October, let's talk after that.", None),
        ("", "Our team is on holiday in August, so send me the contract in September.", None),
        ("", "Thank you for your email. We are interested, please send me the details.", None),
        ("", "Bea left the company last year? I did not know that. Who took over?", None),
        ("", "I have a ticket number for the fair, where do we meet?", None),
        (
            "Content-Type: text/html; charset=utf-8\n",
            "<p>Yes</p><p style=\"display:none\">unsubscribe</p>",
            Some("Yes"),
        ),
    ];
    assert!(cases.len() >= 25);
    check(&cases, |(headers, body, text)| {
        let finding = find(&mail(headers, body));
        let words = finding.words.clone().unwrap_or_default();
        let right = matches!(finding.verdict, Verdict::Reply { .. }) && text.is_none_or(|t| t == words.text);
        (!right).then(|| format!("- {headers}{body}\n    {:?}\n    {}", words.text, why(&finding)))
    });
}

/// More mails without a helpful header or subject, judged by their words alone.
#[test]
fn words_alone() {
    use reply_ingest::event::Kind;
    let machines = [
        "Hello,\n\nThank you for your message. I'm on parental leave until January 2027 and won't be reading emails. Please contact my colleague Bea Example (bea@example.org) instead.\n\nKind regards,\nAna",
        "Hi, I'm currently traveling with limited access to email. I'll respond as soon as I can.",
        "I will be out of the office starting 05.10.2026 and will not return until 12.10.2026. I will respond to your message when I return.",
        "Thank you for your mail. I'm out of office today and will be back tomorrow. In urgent cases please call the office.",
        "Ich werde ab 05.10.2026 nicht im Büro sein. Ich kehre zurück am 12.10.2026. Ich werde Ihre Nachricht nach meiner Rückkehr beantworten.",
        "Sehr geehrte Damen und Herren,\n\nich bin vom 5. bis 16. Oktober 2026 im Urlaub. Ihre E-Mail wird nicht weitergeleitet. In dringenden Fällen erreichen Sie meine Vertretung unter bea@example.org.\n\nMit freundlichen Grüßen\nAna Example",
        "Guten Tag, vielen Dank für Ihre E-Mail. Ich bin erst am 12. Oktober wieder im Büro.",
        "Hallo, ich bin heute außer Haus und morgen wieder erreichbar. Bei dringenden Fragen bitte an bea@example.org wenden.",
        "Bonjour, je suis en congé maternité jusqu'au 4 janvier 2027. Pour toute demande, merci de contacter bea@example.org. Cordialement",
        "Bonjour, Actuellement absente, je prendrai connaissance de votre message à mon retour le 12 octobre. En cas d'urgence, contactez le standard.",
        "Hola, estaré fuera de la oficina del 5 al 12 de octubre con acceso limitado al correo. Para temas urgentes, contacte con bea@example.org",
        "Buongiorno, sarò assente dall'ufficio fino al 12 ottobre compreso. Per urgenze potete contattare bea@example.org. Cordiali saluti",
        "Olá, estou de férias e regresso no dia 12 de outubro. Para assuntos urgentes, contacte bea@example.org.",
        "Beste, ik ben tot en met 11 oktober met vakantie. Uw mail wordt niet doorgestuurd. Voor dringende zaken kunt u terecht bij bea@example.org.",
        "Dzień dobry, jestem na urlopie do 12.10.2026. W pilnych sprawach proszę o kontakt z bea@example.org",
        "Hej! Jag är på semester och åter på kontoret måndag 12 oktober. Vid brådskande ärenden, kontakta bea@example.org",
        "Hej, jeg holder ferie til og med uge 41. Ved hastesager kontakt venligst bea@example.org",
        "Hei, jeg er på ferie og er tilbake på kontoret 12. oktober. Ved hastesaker, ta kontakt med bea@example.org",
        "Hei, olen vuosilomalla 5.-11.10.2026. Luen viestisi palattuani. Kiireellisissä asioissa: bea@example.org",
        "Dobrý den, od 5. do 12. října čerpám dovolenou. V naléhavých případech kontaktujte bea@example.org.",
        "Здравствуйте! С 5 по 12 октября я буду в отпуске. По всем срочным вопросам обращайтесь к Беа (bea@example.org).",
        "Merhaba, 5-12 Ekim tarihleri arasında yıllık izindeyim. Acil durumlarda bea@example.org adresine yazabilirsiniz.",
        "お世話になっております。誠に勝手ながら10月5日から10月12日まで夏季休暇をいただいております。お急ぎの方は bea@example.org までご連絡ください。",
        "您好！我10月5日至10月12日休假，期间不方便查收邮件，如有急事请联系 bea@example.org 。",
        "안녕하세요. 10월 5일부터 10월 12일까지 휴가로 자리를 비웁니다. 급한 용무는 bea@example.org 로 연락주시기 바랍니다.",
        "Ana Example has left Example Ltd. Emails are no longer forwarded. Please contact info@example.org",
        "Ich bin nicht mehr für die Example GmbH tätig. Bitte wenden Sie sich an info@example.org.",
        "This address is no longer in use. Please send your mail to info@example.net.",
        "Thank you for contacting Example Support! Your request (4711) has been received and is being reviewed by our support staff.",
        "We've received your email and a member of our team will respond within 2 business days. Please do not reply to this message.",
        "Vielen Dank für Ihre Anfrage. Wir haben Ihre Nachricht erhalten und werden uns schnellstmöglich bei Ihnen melden.",
        "Merci de nous avoir contactés. Nous avons bien reçu votre message et nous vous répondrons dans les plus brefs délais.",
        "I am out of the office.",
        "Out of office until Monday.",
    ];
    let people = [
        "Thanks Sales, I am back from holiday on Monday. Could we speak on Tuesday at 10?",
        "Hi, we moved to a new office last month. My colleague Bea takes care of this now, please write to bea@example.org.",
        "Not at the moment, we are travelling with the team until December. Try again in January.",
        "Hallo, ich bin nächste Woche im Urlaub, danach gern. Melden Sie sich Mitte Oktober noch einmal?",
        "I am interested but out of the office until Thursday. Can you call me on Friday?",
        "We have received your offer and our team will discuss it. Please send us the terms.",
        "I am on leave next week so let's do the demo before. Friday at 3pm works for me.",
        "Bonjour, je serai absente la semaine prochaine. Pouvez-vous me rappeler le 12 ?",
        "No thanks.",
        "Please send me more information about the list of products.",
        "I would like to stop by and take a look. Who removes the old machine?",
        "Ok, stop the delivery for now please, we will order in spring.",
        "Can you remove item 3 from the quote and send it again?",
        "Bitte streichen Sie Position 3 aus dem Angebot.",
        "We want to cancel the meeting on Monday.",
        "How did you get my address?",
        "Wir haben kein Interesse.",
        "I'm not the right person, please contact my colleague bea@example.org.",
        "Bea no longer handles purchasing, that's me now. What do you need?",
        "My email address is ana@example.org, call me.",
        "Danke für Ihre Nachricht. Wir haben derzeit keinen Bedarf.",
        "Grazie per la mail. Al momento non siamo interessati.",
        "会議は10月12日までに決めます。資料を送ってください。",
        "谢谢，我们感兴趣，请发报价单。",
        "Do your mails have an unsubscribe link? Our legal team asks before we buy.",
        "He asked me to take him off the project team.",
    ];
    let leaving = [
        "Remove",
        "Kindly remove this address from your database.",
        "I don't want these mails, unsubscribe me now!!!",
        "Can you please take me off your email list",
        "Who are you and how did you get my email? Remove me immediately from your list.",
        "Löschen Sie bitte umgehend meine E-Mail-Adresse aus Ihrem Verteiler.",
        "Bitte melden Sie mich von Ihrem Newsletter ab.",
        "Ich möchte keine Werbung mehr von Ihnen erhalten.",
        "Veuillez supprimer mon adresse de votre liste de diffusion.",
        "Je ne souhaite plus recevoir vos emails, merci.",
        "Darme de baja por favor",
        "No me envíen más correos.",
        "Non voglio più ricevere queste mail",
        "Disiscrivetemi",
        "Favor remover meu email da lista",
        "Schrijf mij uit aub",
        "Proszę wypisać mnie z newslettera",
        "Avregistrera mig tack",
        "Meld meg av nyhetsbrevet",
        "Afmeld mig venligst",
        "Lopettakaa näiden lähettäminen",
        "Odhlaste mě prosím",
        "Уберите меня из рассылки",
        "Beni mail listenizden çıkarır mısınız",
        "メール配信を停止してください",
        "请停止发送邮件",
        "메일 그만 보내주세요",
        "Not interested. Please stop.",
        "We never subscribed, remove us.",
        "STOP SPAM",
        "Please delete my data from your system.",
        "opt-out",
    ];
    let all = machines.iter().map(|b| (*b, Kind::AutoReply));
    let all = all.chain(people.iter().map(|b| (*b, Kind::Reply)));
    let all: Vec<_> = all.chain(leaving.iter().map(|b| (*b, Kind::Unsubscribe))).collect();
    check(&all, |(body, kind)| {
        let finding = find(&mail("", body));
        (finding.kind() != *kind).then(|| format!("- {body}\n    {}", why(&finding)))
    });
}

#[test]
fn nothing_at_all_is_no_answer() {
    let finding = find(&mail("Subject: \n", " \n"));
    assert!(matches!(finding.verdict, Verdict::Unclassified { .. }), "{}", why(&finding));
}

#[test]
fn languages_of_texts_that_are_long_enough() {
    let cases = [
        ("Thank you very much for the offer, please send me the full price list.", Some("en")),
        ("Vielen Dank für das Angebot, bitte schicken Sie mir die vollständige Preisliste.", Some("de")),
        ("Merci beaucoup pour votre offre, pouvez-vous m'envoyer la liste des prix complète ?", Some("fr")),
        ("Спасибо большое за предложение, пришлите мне, пожалуйста, полный список цен.", Some("ru")),
        ("ご提案ありがとうございます。価格表をお送りください。よろしくお願いします。", Some("ja")),
        ("感谢您的报价，请把完整的价格表发给我，我们会在下周之前给您答复。", Some("zh")),
        ("Yes, please.", None),
        ("12345 67890 12345 67890 12345 67890 12345 67890 12345", None),
    ];
    check(&cases, |(body, expected)| {
        let finding = find(&mail("", body));
        let got = finding.words.as_ref().and_then(|w| w.language);
        (got != *expected).then(|| format!("- {body}: {got:?}"))
    });
}

/// Every mail is hostile: no panic, and time that grows with the size only.
#[test]
fn hostile_bodies() {
    let big = 200_000;
    let bodies = [
        ("", ">".repeat(big)),
        ("", "> \n".repeat(big / 3)),
        ("", "On 5 Oct 2026 <a@\n".repeat(big / 18)),
        ("", "From: a@b.example\n".repeat(big / 18)),
        ("", "-- \na\n".repeat(big / 6)),
        ("", "a@".repeat(big / 2)),
        ("", "1.1.".repeat(big / 4)),
        ("", "I am out of the office until ".repeat(big / 29)),
        ("", "unsubscribe me. do not unsubscribe me. ".repeat(big / 38)),
        ("Content-Type: text/html\n", "<div class=\"x\">".repeat(big / 15)),
        ("Content-Type: text/html\n", "<blockquote>".repeat(big / 12)),
        ("Content-Type: text/html\n", "<a b='>".repeat(big / 7)),
        ("Content-Type: text/html\n", "<head>".repeat(big / 6)),
        ("Content-Type: text/html\n", "<style>".repeat(big / 7)),
        ("Content-Type: text/html\n", "&".repeat(big)),
        ("Content-Type: text/html\n", "<!--".repeat(big / 4)),
        ("Content-Type: text/html\n", "</div>".repeat(big / 6)),
        ("Content-Type: text/html\n", format!("<{}", "a=".repeat(big / 2))),
        ("Content-Type: text/plain; format=flowed; delsp=yes\n", "> a \n".repeat(big / 5)),
    ];
    for (headers, body) in &bodies {
        // That it ends at all is the point: a quadratic step would take minutes here.
        let _ = find(&mail(headers, body));
    }
}
