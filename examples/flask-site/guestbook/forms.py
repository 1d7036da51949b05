from flask_wtf import FlaskForm
from flask_wtf.file import FileAllowed, FileField
from wtforms import StringField, SubmitField, TextAreaField
from wtforms.validators import DataRequired, Length


class SignForm(FlaskForm):
    name = StringField("Your name", validators=[DataRequired(), Length(max=80)])
    message = TextAreaField("Your message", validators=[DataRequired(), Length(max=4000)])
    picture = FileField("A picture", validators=[FileAllowed(["png", "jpg", "jpeg", "gif", "webp"])])
    submit = SubmitField("Sign")
