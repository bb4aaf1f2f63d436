using System.Text;
using Bitflow.App.Metering;
using Bitflow.Domain;
using Microsoft.AspNetCore.Http;

namespace Bitflow.App.Admin;

/// <summary>What the admin server answers. It only shows: nothing can be changed through it.</summary>
internal sealed class AdminRequests(LiveState state, MetricStore store)
{
    private const string Json = "application/json; charset=utf-8";
    private const string PlainText = "text/plain; charset=utf-8";

    public async Task AnswerAsync(HttpContext context)
    {
        HttpResponse response = context.Response;
        response.Headers.CacheControl = "no-store";
        response.Headers.XContentTypeOptions = "nosniff";
        // The page is all there is: no other origin, no inline script, no frame around it.
        response.Headers.ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; frame-ancestors 'none'";
        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            response.Headers.Allow = "GET, HEAD";
            await SendAsync(context, StatusCodes.Status405MethodNotAllowed, PlainText, "only GET and HEAD are answered\n"u8.ToArray()).ConfigureAwait(false);
            return;
        }

        (int status, string type, byte[] body) = Answer(context.Request.Path.Value ?? "/");
        await SendAsync(context, status, type, body).ConfigureAwait(false);
    }

    private (int Status, string Type, byte[] Body) Answer(string path) => path switch
    {
        "/" => (StatusCodes.Status200OK, "text/html; charset=utf-8", Asset("admin.html")),
        "/admin.css" => (StatusCodes.Status200OK, "text/css; charset=utf-8", Asset("admin.css")),
        "/admin.js" => (StatusCodes.Status200OK, "text/javascript; charset=utf-8", Asset("admin.js")),
        "/metrics" => (StatusCodes.Status200OK, Prometheus.contentType, Encoding.UTF8.GetBytes(PrometheusExport.Text(store))),
        "/healthz" => (StatusCodes.Status200OK, PlainText, "ok\n"u8.ToArray()),
        "/readyz" => state.IsReady
            ? (StatusCodes.Status200OK, PlainText, "ready\n"u8.ToArray())
            : (StatusCodes.Status503ServiceUnavailable, PlainText, "not ready: starting or draining\n"u8.ToArray()),
        "/proxies" => (StatusCodes.Status200OK, Json, StateView.ProxiesJson(state.Proxies())),
        "/connections" => (StatusCodes.Status200OK, Json, StateView.ConnectionsJson(state.Connections())),
        _ => (StatusCodes.Status404NotFound, PlainText, "not here; try / /metrics /healthz /readyz /proxies /connections\n"u8.ToArray()),
    };

    private static byte[] Asset(string name)
    {
        using Stream asset = typeof(AdminRequests).Assembly.GetManifestResourceStream($"Bitflow.App.Admin.Assets.{name}")!;
        byte[] bytes = new byte[asset.Length];
        asset.ReadExactly(bytes);
        return bytes;
    }

    private static async Task SendAsync(HttpContext context, int status, string type, byte[] body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        context.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
            await context.Response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
    }
}
