"""What somebody is to the patient, in the language of the page."""

from django import template

from ehrcommerce.commerce.checkout.acting import label

register = template.Library()
register.filter("relation", label)
