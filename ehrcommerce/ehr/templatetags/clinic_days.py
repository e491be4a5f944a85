"""`{{ value|clinic_day }}`, `|clinic_moment` and `|clinic_time`: days and moments as the clinician's pages tell them."""

from django import template

from ehrcommerce.ehr.days import day_words, moment_words, time_words

register = template.Library()
register.filter("clinic_day", day_words)
register.filter("clinic_moment", moment_words)
register.filter("clinic_time", time_words)
