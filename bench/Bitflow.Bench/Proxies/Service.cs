namespace Bitflow.Bench.Proxies;

/// <summary>What a proxy can be asked to do; each is a listener of its configuration.</summary>
internal enum Service
{
    Plain,
    Tls,
    Sni,
    Header,
}
