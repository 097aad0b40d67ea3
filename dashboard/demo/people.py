"""Invented attendees from many countries; every address ends in ``.example``."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User

from registration.search import fold


@dataclass(frozen=True, slots=True)
class Region:
    """Names that go together.

    Attributes:
        given: Given names; ``由紀=yuki`` says how one is written in an address.
        family: Family names, likewise.
        hosts: Mail hosts.
        family_first: Whether the family name is said first.
        weight: How often its people come to a conference abroad.
        home: Currency of the conference that they come to in numbers.
        passport: Whether a conference abroad knows them by the names in their passport, in Latin letters: few machines
            there could show the others.
    """

    given: str
    family: str
    hosts: str
    family_first: bool = False
    weight: int = 3
    home: str = ""
    passport: bool = False


REGIONS = (
    Region(
        "Anneliese Jürgen Käthe Björn Götz Friederike Sören Hannah Lukas Mareike Ruprecht Thérèse",
        "Weißmüller Großkopf Lüdermann Schönbrück Hägelein Oberrauch Ziegenfuß Kranewitz Möhrle Tannhof",
        "lindenpost elbnetz schreibstube nordlicht-it uni-halden",
        home="EUR",
    ),
    Region(
        "Amélie François Noémie Étienne Maëlle Loïc Zoé Gaëtan Océane Théo Héloïse Benoît",
        "Fourneaux Desruisseaux Lefèvrin Garçonnet Boissieu Châtelard Montcœur Peyrolle Guérinot Vaillancey",
        "boitevive ateliernuage rivesud poste-claire",
    ),
    Region(
        "Iñigo Lucía Rocío Álvaro Begoña Joaquín Ximena Nicolás Inés Tomás Belén Martín",
        "Peñaranda Ibarrola Núñez-Vega Cañizal Olivares-Ruiz Zubieta Quiñonero Albarracín Montejano Otxoa",
        "correolibre cobaltosur puertoazul uni-miraflor",
    ),
    Region(
        "João Conceição Tiago Inês Gonçalo Luísa Caetano Débora Antônio Raíssa",
        "Gonçalvim Assunção Taborda Figueirinha Vasconcelhos Brandãozinho Pacheco-Lima Serafião Magalhosa",
        "caixaverde nuvemrio atlantica-dev",
    ),
    Region(
        "Chiara Niccolò Giosuè Ludovica Matteo Ginevra Tommaso Letizia Raffaele Ilaria",
        "Marchettin D'Ambrogi Bellacorte Rossignani Della-Vite Ferrantino Colasanto Pianezzi Grimaldelli",
        "officinadati studiomare postabella",
    ),
    Region(
        "Zdzisław Małgorzata Łukasz Żaneta Paweł Agnieszka Stanisław Bożena Wojciech Ćwiklina",
        "Zielińczyk Kowalszczak Brzęczek Wiśnioch Dąbrowicz Gołębik Szczepaniuk Łączyński Żurawiecki",
        "poczta-wisla chmurka kodownia",
    ),
    Region(
        "Linnéa Åke Øyvind Freyja Þórdís Søren Päivi Väinö Guðrún Bjørg Östen Aino",
        "Sjöbergson Ødegårdsen Þorvaldsdóttir Kärkkälä Fjordholm Ångstromm Nørrelund Hyvärilä Lindqvistad Ærø",
        "fjordbank-it norrsken kahvila-labs student-nord",
    ),
    Region(
        "Jiří Ľubica Květoslav Šárka Matěj Zdeňka Bohumil Růžena Vojtěch Anežka",
        "Novákovič Dvořáček Hruščák Čermákov Příhodný Švejdar Kratochvěl Žižkovič Ondráčků",
        "hradec-net posta-vltava kavarna-dev",
    ),
    Region(
        "Şebnem Çağlar Göksel İpek Oğuzhan Ümran Yiğit Nilüfer Kıvanç Buğra",
        "Yıldırımer Gökçeoğlu Şahinbaş Çınaralp Özdemiroğlu Kılıçarslan Tuğrulca Bozdağlı",
        "bogaz-posta ankaraworks",
    ),
    Region(
        "Chukwuemeka Ngozi Oluwaṣeun Adaeze Ifẹoluwa Kwame Akosua Thandiwe Sipho Wanjirũ Tendai Amara",
        "Adéyẹmọ Okonkwaro Nwachukwuka Boatengah Mthembuzi Dlaminde Kamauru Mwangale Ọláwálé Chirwason",
        "accraworks lagoscode savannah-mail uni-kilima",
    ),
    Region(
        "Олена=olena Дмитро=dmytro Світлана=svitlana Ярослав=yaroslav Катерина=kateryna Богдан=bohdan Їванна=yivanna",
        "Ковальчишин=kovalchyshyn Шевчукевич=shevchukevych Бондаренчук=bondarenchuk Лисогорець=lysohorets"
        " Гнатюкова=hnatiukova",
        "poshta-kyi sadok-dev",
        weight=1,
    ),
    Region(
        "Ελένη=eleni Γιώργος=giorgos Κατερίνα=katerina Θανάσης=thanasis Ιφιγένεια=ifigeneia Σταύρος=stavros",
        "Παπαδογιάννης=papadogiannis Οικονομίδου=oikonomidou Καραβασίλης=karavasilis Μαυροδήμου=mavrodimou",
        "aigaio-mail thessalab",
        weight=1,
    ),
    Region(
        "由紀=yuki 健太=kenta さくら=sakura 直樹=naoki 美咲=misaki 大輔=daisuke 陽菜=hina 蓮=ren",
        "田河=tagawa 佐々波=sasanami 渡瀬川=watasegawa 小笠森=ogasamori 東雲寺=shinonomeji 藤ノ木=fujinoki"
        " 長谷沼=hasenuma",
        "kumosoft-jp hoshimail kawabe-lab",
        family_first=True,
        weight=1,
        home="JPY",
        passport=True,
    ),
    Region(
        "伟明=weiming 晓雨=xiaoyu 建国=jianguo 丽华=lihua 子涵=zihan 思远=siyuan",
        "欧阳山=ouyangshan 慕容河=muronghe 司徒林=situlin 诸葛云=zhugeyun",
        "yunduan-mail chengzi-dev",
        family_first=True,
        weight=1,
        passport=True,
    ),
    Region(
        "민준=minjun 서연=seoyeon 지후=jihu 하은=haeun 도윤=doyun 수아=sua",
        "남궁산=namgungsan 황보림=hwangborim 제갈현=jegalhyeon 선우빈=seonubin",
        "haneul-post dalbit-dev",
        family_first=True,
        weight=1,
        passport=True,
    ),
    Region(
        "प्रिया=priya अर्जुन=arjun कविता=kavita रोहन=rohan मीनाक्षी=meenakshi विक्रम=vikram",
        "रघुनाथनकर=raghunathankar देशमुखिया=deshmukhiya चतुर्वेदक=chaturvedak अय्यरमणि=iyermani",
        "meghdoot-mail sahyadri-tech",
        weight=1,
        passport=True,
    ),
    Region(
        "Aarav Lakshmi Thiruvengadam Parvathi Farhan Nusrat Sanduni Kasun Tshering Bishnu",
        "Raghunathaswamy Wijesingheke Chowdhuriya Gurungpa Balasubramaniar Perumalsamy Shresthani",
        "meridian-labs sahyadri-tech cloudghat",
    ),
    Region(
        "ليلى=layla أحمد=ahmad نور=nour يوسف=yousef هدى=huda طارق=tariq",
        "الحدّاديني=alhaddadini الساعاتي=alsaati القرطبان=alqurtuban البيروتاني=albayroutani",
        "barid-mail nile-works",
        weight=1,
    ),
    Region(
        "תמר=tamar יונתן=yonatan נועה=noa אלעד=elad שירה=shira",
        "בן־עמיר=benamir גבעולי=givoli כרמלון=carmelon שקדיאל=shkediel",
        "gvanim-dev doar-yam",
        weight=1,
    ),
    Region(
        "Nguyệt Đức Thảo Hùng Ánh Phượng Tuấn Quỳnh Khánh",
        "Nguyễn-Hà Trầnvũ Phạmđông Lêquang Đặnghoàng Võminh",
        "saigoncode senmail",
        family_first=True,
    ),
    Region(
        "Eilidh Rhys Siobhán Padraig Imogen Callum Niamh Tamsin Ewan Caoimhe Harriet Oisín",
        "MacLeodair ÓBriainín Fitzharding Penhallowick Llewellynor Ashgrove-Dean O'Rourkean Thistlewaite",
        "glenmail harbourside thornfield-it uni-skerry",
    ),
    Region(
        "Dakota Marisol Jedediah Keisha Tyrell Savannah Xiomara Wyatt Latoya Beckett Noelani Kekoa",
        "Underhillson Castellanosa Brightwater Washingby Yellowhorse Delacroixe Kealohana Ferngrove Vanderholt",
        "cedarmail prairieworks baystack granite-u",
        home="USD",
    ),
)

COMPANIES = (
    "Meridian Analytics, Nimbleworks SARL, Schreibstube GmbH, Cobalto Sur S.L., Fjordholm Bank IT, Kumosoft K.K.,"
    " Officina Dati S.r.l., Thornfield & Daughters, Accra Works Ltd, Kodownia Sp. z o.o., Lindenpost AG, Baystack Inc.,"
    " Sahyadri Technologies, Università di Miraflor, Студія «Садок», Norrsken Labs AB, Prairie Works LLC, נחל־קוד בע״מ"
).split(", ")


@dataclass(frozen=True, slots=True)
class Person:
    """Who an attendee is."""

    given: str
    family: str
    name: str
    email: str
    company: str


@dataclass(frozen=True, slots=True)
class Buyer:
    """An attendee as the orders name them."""

    user: User
    name: str
    company: str = ""


def people(rng: random.Random, home: str = "", seen: dict[str, int] | None = None) -> Iterator[Person]:
    """Yield attendees without end; no two share an address.

    Args:
        rng: The dice.
        home: Currency of the conference they come to.
        seen: How often each address was given out, for streams that share their addresses.
    """
    seen = {} if seen is None else seen
    weights = [30 if home and region.home == home else region.weight for region in REGIONS]
    while True:
        region = rng.choices(REGIONS, weights)[0]
        given, given_latin = _pick(rng, region.given)
        family, family_latin = _pick(rng, region.family)
        if region.passport and region.home != home:
            given, family = given_latin.capitalize(), family_latin.capitalize()
        address = f"{given_latin}.{family_latin}"
        seen[address] = seen.get(address, 0) + 1
        number = seen[address] if seen[address] > 1 else ""
        yield Person(
            given=given,
            family=family,
            name=f"{family} {given}" if region.family_first else f"{given} {family}",
            email=f"{address}{number}@{rng.choice(region.hosts.split())}.example",
            company=rng.choice(COMPANIES) if rng.random() < 0.22 else "",
        )


def _pick(rng: random.Random, names: str) -> tuple[str, str]:
    written, _equals, latin = rng.choice(names.split()).partition("=")
    return written, latin or "".join(c for c in fold(written) if c.isascii() and (c.isalnum() or c == "-"))
