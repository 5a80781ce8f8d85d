from raab import create_app
from raab.admin import with_admin

application = with_admin(create_app())
