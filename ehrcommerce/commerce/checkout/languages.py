"""The notice that help in other languages is free, after the sample taglines that the Office for Civil Rights of HHS has
published for section 1557 of the Affordable Care Act. A clinic whose state wants others writes its own."""

# Language tag, sentence. Punctuation of other scripts is no mistake here.
# ruff: noqa: RUF001
NOTICES = (
    ("en", "If you speak English, language help services are free for you. Call %(phone)s."),
    ("es", "ATENCIÓN: si habla español, tiene a su disposición servicios gratuitos de asistencia lingüística. Llame al %(phone)s."),
    ("zh-Hant", "注意：如果您使用繁體中文，您可以免費獲得語言援助服務。請致電 %(phone)s。"),
    ("vi", "CHÚ Ý: Nếu bạn nói Tiếng Việt, có các dịch vụ hỗ trợ ngôn ngữ miễn phí dành cho bạn. Gọi số %(phone)s."),
    ("ko", "주의: 한국어를 사용하시는 경우, 언어 지원 서비스를 무료로 이용하실 수 있습니다. %(phone)s 번으로 전화해 주십시오."),
    ("tl", "PAUNAWA: Kung nagsasalita ka ng Tagalog, maaari kang gumamit ng mga serbisyo ng tulong sa wika nang walang bayad."
           " Tumawag sa %(phone)s."),
    ("ru", "ВНИМАНИЕ: Если вы говорите на русском языке, то вам доступны бесплатные услуги перевода. Звоните %(phone)s."),
    ("ar", "ملحوظة: إذا كنت تتحدث اللغة العربية، فإن خدمات المساعدة اللغوية تتوافر لك بالمجان. اتصل برقم %(phone)s."),
    ("ht", "ATANSYON: Si w pale Kreyòl Ayisyen, gen sèvis èd pou lang ki disponib gratis pou ou. Rele %(phone)s."),
    ("fr", "ATTENTION : Si vous parlez français, des services d'aide linguistique vous sont proposés gratuitement."
           " Appelez le %(phone)s."),
    ("pl", "UWAGA: Jeżeli mówisz po polsku, możesz skorzystać z bezpłatnej pomocy językowej. Zadzwoń pod numer %(phone)s."),
    ("pt", "ATENÇÃO: Se fala português, encontram-se disponíveis serviços linguísticos, grátis. Ligue para %(phone)s."),
    ("it", "ATTENZIONE: In caso la lingua parlata sia l'italiano, sono disponibili servizi di assistenza linguistica gratuiti."
           " Chiamare il numero %(phone)s."),
    ("de", "ACHTUNG: Wenn Sie Deutsch sprechen, stehen Ihnen kostenlos sprachliche Hilfsdienstleistungen zur Verfügung."
           " Rufnummer: %(phone)s."),
    ("ja", "注意事項：日本語を話される場合、無料の言語支援をご利用いただけます。%(phone)s まで、お電話にてご連絡ください。"),
    ("fa", "توجه: اگر به زبان فارسی گفتگو می کنید، تسهیلات زبانی بصورت رایگان برای شما فراهم می باشد. با %(phone)s تماس بگیرید."),
)  # fmt: skip
