internal import Wiring

@main enum Main {
    static func main() { ServiceMain.storeSCP() }
}
