"""The trust phrase in the patient's language. The clinician tells two English words; a patient who reads Spanish finds
them in Spanish, with the English beside them, so that either can be compared with what was said."""

_SPANISH = {
    "amber": "ámbar", "apple": "manzana", "basil": "albahaca", "birch": "abedul", "cedar": "cedro", "cloud": "nube",
    "clover": "trébol", "coral": "coral", "daisy": "margarita", "delta": "delta", "ember": "brasa", "fern": "helecho",
    "forest": "bosque", "garden": "jardín", "ginger": "jengibre", "harbor": "puerto", "hazel": "avellana",
    "honey": "miel", "island": "isla", "ivory": "marfil", "jasmine": "jazmín", "juniper": "enebro", "lake": "lago",
    "lemon": "limón", "lilac": "lila", "linen": "lino", "maple": "arce", "meadow": "prado", "mango": "mango",
    "mint": "menta", "moss": "musgo", "ocean": "océano", "olive": "oliva", "orchid": "orquídea", "pearl": "perla",
    "pepper": "pimienta", "pine": "pino", "plum": "ciruela", "poppy": "amapola", "prairie": "pradera",
    "quartz": "cuarzo", "quiet": "calma", "rain": "lluvia", "river": "río", "robin": "petirrojo", "rose": "rosa",
    "sage": "salvia", "sand": "arena", "silver": "plata", "sky": "cielo", "snow": "nieve", "sparrow": "gorrión",
    "spring": "primavera", "star": "estrella", "stone": "piedra", "summer": "verano", "sunny": "soleado",
    "thyme": "tomillo", "tulip": "tulipán", "valley": "valle", "velvet": "terciopelo", "violet": "violeta",
    "willow": "sauce", "winter": "invierno",
}  # fmt: skip


def phrase_in(language: str, phrase: str) -> str:
    """The phrase word for word; as it was told where a word is not known."""
    words = phrase.split(" ")
    if language != "es" or any(word not in _SPANISH for word in words):
        return phrase
    return " ".join(_SPANISH[word] for word in words)
