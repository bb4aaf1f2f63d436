using Bitflow.App.Terminal;
using Bitflow.Domain;
using Microsoft.FSharp.Core;

namespace Bitflow.App.Commands;

/// <summary>`bitflow explain`: what would be decided for a described client, by the functions that serve.</summary>
internal static class ExplainCommand
{
    public static int Run(ExplainRequest request)
    {
        if (LoadedConfiguration.LoadOrSay(request.ConfigPath) is not { } loaded)
            return ExitStatus.Unusable;
        FSharpResult<(ProxyConfig Proxy, Question Question), string> asked = QuestionModule.Ask(loaded.Config, request);
        if (asked.IsError)
        {
            Screen.Complain(Tone.Bad, $"bitflow: {asked.ErrorValue}");
            return ExitStatus.Unusable;
        }

        (ProxyConfig proxy, Question question) = asked.ResultValue;
        var rules = new Rules(proxy);
        FSharpValueOption<ListenerTlsRules> tls = loaded.TlsOf(proxy.Name) is { } found ? found : FSharpValueOption<ListenerTlsRules>.None;
        Screen.Write(request.AsJson ? Explain.ToJson(rules, tls, question) : Explain.Text(rules, tls, question));
        return ExitStatus.Done;
    }
}
