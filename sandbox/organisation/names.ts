import { hashOf, permuted, Random } from './random.ts'

/**
 * Names of people who do not exist. First names are ordinary ones of a region; last names are composed, so that a plain
 * search for one never meets a word of a log or a page, and so that there are as many as anybody asks for.
 */
interface Region {
  firsts: readonly string[]
  starts: readonly string[]
  middles: readonly string[]
  ends: readonly string[]
}

const list = (words: string): readonly string[] => words.split(' ')

export const REGIONS = {
  DE: {
    firsts: list(
      'Jürgen Käthe Björn Ulrike Götz Annika Thorsten Heidrun Matthias Sönke Birgit Volker Friederike Holger',
    ),
    starts: list('Ströt Wöhl Quadd Brüm Schnäp Hölt Krüx Zwing Fläch Gröm Trütz Plöss Drösch Knüv Spreck Wrüd'),
    middles: list('enkamp elbrink ingsdorp ergroth issenb alterf umschl okenh'),
    ends: list('huber mühl stedt brücker lünd gräfe wieser brandtner kötter höver söhn zeller'),
  },
  GB: {
    firsts: list('Siân Rhys Imogen Alasdair Niamh Callum Bronwen Fergus Aoife Tristram Elspeth Hamish Zoë Piers'),
    starts: list('Thrax Wick Pendr Quill Blith Cromb Yarrow Drax Skelm Threlk Bramw Whist Hexw Uttle'),
    middles: list('elby ingham ottley ersley ustone awdle imble enfrith'),
    ends: list('thwaite combe shaw garth croftley holme wortham bury ridding fleetham'),
  },
  US: {
    firsts: list(
      'Deshawn Marisol Tyrell Kaitlyn Jamal Brooklyn Esperanza Wyatt Latoya Hunter Xiomara Darnell Savannah Cody',
    ),
    starts: list('Vanz Zandt Quack Osterw Breck Hollen Schuyl Tuck Wexm Blomq Crutch Dunw Kest Pfaff'),
    middles: list('ander enbosch ingsw erkill ottov allard umqu illest'),
    ends: list('worthy meyerson gaard fieldman kirkson bergstrom dahlgren houtman tonquist velder'),
  },
  IN: {
    firsts: list(
      'Aarav Lakshmi Vikram Ānanya Rohit Kavitha Arjun Meenakshi Sanjay Padmini Harish Nandini Suresh Gauri',
    ),
    starts: list('Venkat Chandra Subra Rama Krish Thiru Vaidya Nara Muthu Parva Jaya Bhuvan Gopala Shanka'),
    middles: list('nathak shekhr manyav lingap sundarm krupav vardhn murthk'),
    ends: list('aswami appan eshwar udaiyar achari ayyan opadhyay ulkarni irajan amoorthy'),
  },
  JP: {
    firsts: list('Haruto Yūna Sōta Akari Ren Hinata Kaede Takumi Misaki Kenjirō Chiyo Daichi Ayame Shōhei'),
    starts: list('Kami Tsuchi Hoshi Kuro Shira Asahi Mizu Fuyu Natsu Haya Iwa Uchi Toyo Nishi'),
    middles: list('gawaza nomuta yamaki zukari hashiro kuramo bayato tanibe'),
    ends: list('saka dōri mizu hira shima nuki gaoka wara zuchi tsuji'),
  },
  BR: {
    firsts: list(
      'João Conceição Thiago Mônica Antônio Luíza Rogério Letícia Vinícius Jussara César Beatriz Fábio Iracema',
    ),
    starts: list(
      'Albuq Cavalc Figueir Guimar Nepomuc Vasconc Bittenc Mascar Quintan Tavar Evangel Sampai Xavant Pirass',
    ),
    middles: list('erquin antelh oedasm arãesv enceslu ourtinh elhanz ilhavr'),
    ends: list('eiros ório ande ilha ado ães etti ueira onça avel'),
  },
  PL: {
    firsts: list(
      'Łukasz Małgorzata Zbigniew Agnieszka Grażyna Paweł Żaneta Wojciech Bożena Stanisław Świętosława Krzysztof',
    ),
    starts: list('Wierzb Szczyp Brzez Grzmot Chrząs Krzyw Trzcin Żmud Skrzyn Pstrąg Dźwig Gwizd Mżyg Ślepow'),
    middles: list('ników iorkow elewicz ołęck aszczuk ubińcz eratow iastek'),
    ends: list('ski iński owicz czyk akowski orzec alski ęga owiak urski'),
  },
  ES: {
    firsts: list('Íñigo Begoña Joaquín Núria Álvaro Rocío Ramón Idoia Jesús Montserrat Óscar Lucía Iñaki Ainhoa'),
    starts: list('Etxeb Goik Urrut Zabal Mendiz Arriz Lasart Iturb Berast Ugald Otxand Zumar Aizp Garmend'),
    middles: list('arrieta oetxan ikoaga urreña eguían alozñe ibarko oñatez'),
    ends: list('goitia mendi lurra zabala berri ondo iturri tegui arana olaza'),
  },
  BG: {
    firsts: list('Георги Радостина Димитър Цветелина Пламен Йоана Стоян Ивайло Росица Живко Невена Борислав'),
    starts: list('Хаджи Къдр Жълт Гюр Чер Дръндар Бозвел Щърб Кюстен Мечк Прост Цанк Вълч Шишм'),
    middles: list('генов тодар олевс инбаш арджик етков оранч умджий'),
    ends: list('алиев анчев ийски урков еджиев ълков охов имирев ъшки оглев'),
  },
} as const satisfies Record<string, Region>
export type Country = keyof typeof REGIONS
export const COUNTRIES = Object.keys(REGIONS) as Country[]

export interface Name {
  first: string
  last: string
}

/** The `rank`-th name of a region; last names of different ranks differ, double-barrelled once the single ones are used up. */
export function nameOf(seed: number, country: Country, rank: number): Name {
  const region: Region = REGIONS[country]
  const size = region.starts.length * region.middles.length * region.ends.length
  const at = permuted(rank % size, size, hashOf(`${seed}${country}`))
  const round = Math.floor(rank / size)
  const second = round === 0 ? '' : `-${lastName(region, (at + round * 7 + 1) % size)}`
  return {
    first: new Random(seed, hashOf(`first ${country}`), rank).pick(region.firsts),
    last: `${lastName(region, at)}${second}`,
  }
}

function lastName({ starts, middles, ends }: Region, at: number): string {
  const start = starts[at % starts.length] as string
  const middle = middles[Math.floor(at / starts.length) % middles.length] as string
  return `${start}${middle}${ends[Math.floor(at / (starts.length * middles.length))] as string}`
}

/** Letters without a decomposition, and the official Bulgarian transliteration (Law on Transliteration, 2009). */
const LETTERS: Record<string, string> = {
  ...{ ł: 'l', ø: 'o', ß: 'ss', đ: 'd' },
  ...{ а: 'a', б: 'b', в: 'v', г: 'g', д: 'd', е: 'e', ж: 'zh', з: 'z', и: 'i', й: 'y', к: 'k', л: 'l', м: 'm' },
  ...{ н: 'n', о: 'o', п: 'p', р: 'r', с: 's', т: 't', у: 'u', ф: 'f', х: 'h', ц: 'ts', ч: 'ch', ш: 'sh' },
  ...{ щ: 'sht', ъ: 'a', ь: 'y', ю: 'yu', я: 'ya' },
}

/** A name as accounts spell it: lower case a–z, nothing else. */
export const asAccount = (name: string): string =>
  name.toLowerCase().replace(/[^a-z]/gu, (letter) => LETTERS[letter] ?? letter.normalize('NFD').replace(/[^a-z]/g, ''))
