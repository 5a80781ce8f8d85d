from raab import create_app
from raab.admin import with_admin

app = create_app()
application = with_admin(app, app.extensions["raab"].checks)
