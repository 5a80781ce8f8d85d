"""An application of the kind that people have: what projects with Flask commonly import, and a request that makes use of it."""

from __future__ import annotations

import requests
from celery import Celery
from flask import Flask
from flask_login import LoginManager, current_user
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import FlaskForm
from marshmallow import Schema, fields
from sqlalchemy import String, literal, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from wtforms import StringField
from wtforms.validators import DataRequired


class Base(DeclarativeBase):
    pass


application = Flask("ordinary")
# The database is in memory and each worker's own: what a database takes is not to be measured.
application.config.update(SECRET_KEY="bench", SQLALCHEMY_DATABASE_URI="sqlite://")
db = SQLAlchemy(application, model_class=Base)
migrate = Migrate(application, db)
tasks = Celery("ordinary", broker="memory://")
login = LoginManager(application)
login.user_loader(lambda _: None)


class Note(db.Model):  # type: ignore[name-defined,misc]  # a class made at run time
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(200))


class NoteSchema(Schema):
    id = fields.Integer()
    text = fields.String(required=True)


class NoteForm(FlaskForm):
    text = StringField(validators=[DataRequired()])


@tasks.task
def tell(url: str) -> int:
    return requests.post(url, timeout=5).status_code


@application.get("/")
def note() -> dict[str, object]:
    found = Note(id=db.session.scalar(select(literal(1))), text="bench")
    form = NoteForm(obj=found)
    return {"note": NoteSchema().dump(found), "valid": form.validate(), "anonymous": current_user.is_anonymous}
