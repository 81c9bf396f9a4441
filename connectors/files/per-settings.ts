/** Makes something of a connector's settings once: its mapping runs for every row. */
export function perSettings<Settings extends object, Made>(make: (settings: Settings) => Made) {
  const made = new WeakMap<Settings, Made>()
  return (settings: Settings): Made => {
    const known = made.get(settings)
    if (known !== undefined) return known
    const fresh = make(settings)
    made.set(settings, fresh)
    return fresh
  }
}
